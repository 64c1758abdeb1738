#!/usr/bin/env bash
# cfn-lint 1.58.0 knows no attribute of a load balancer, and no range of a weight. A template passes without a remark, at every
# level, whose target group has a misspelled attribute key (so connections to a demoted database are not terminated) or one
# that only an Application Load Balancer has, and whose TCP listener forwards with weight 1000 (the most is 999) to six groups
# (the most is five). CloudFormation finds out in the middle of the deployment. A wrong protocol in the same template is found,
# so the resources are looked at. Hence infra/rules.py.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check cfn-lint==1.58.0
venv/bin/cfn-lint --version

template() { # PROTOCOL ATTRIBUTE WEIGHT GROUPS
  cat <<YAML
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  VpcId: {Type: "AWS::EC2::VPC::Id"}
  LoadBalancerArn: {Type: String}
$(for n in $(seq "$4"); do echo "  Group$n: {Type: String}"; done)
Resources:
  Group:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      TargetType: ip
      Protocol: $1
      Port: 3306
      VpcId: !Ref VpcId
      TargetGroupAttributes: [{Key: $2, Value: "true"}]
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref LoadBalancerArn
      Protocol: TCP
      Port: 3306
      DefaultActions:
        - Type: forward
          ForwardConfig:
            TargetGroups:
$(for n in $(seq "$4"); do echo "              - {TargetGroupArn: !Ref Group$n, Weight: $3}"; done)
YAML
}

says() { # WHAT EXPECTED-CODE PROTOCOL ATTRIBUTE WEIGHT GROUPS
  template "${@:3}" > t.yaml
  code=0
  venv/bin/cfn-lint --include-checks I -- t.yaml > said || code=$?
  printf '%-58s exit %s, %s lines of findings\n' "$1" "$code" "$(wc -l < said)"
  [ "$code" = "$2" ] || { cat said; echo "it was exit $2: cfn-lint has changed" >&2; exit 1; }
}

right=deregistration_delay.connection_termination.enabled
says "right"                                              0 TCP "$right" 1 1
says "attribute key without its last letter"              0 TCP "${right%d}" 1 1
says "attribute key no.such.thing"                        0 TCP no.such.thing 1 1
says "slow start (Application Load Balancers) on TCP"     0 TCP slow_start.duration_seconds 1 1
says "weight 1000"                                        0 TCP "$right" 1000 1
says "six target groups"                                  0 TCP "$right" 1 6
says "control: protocol TCPP"                             2 TCPP "$right" 1 1
