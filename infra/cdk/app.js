// One route with everything it needs, from the templates as they are. `node app.js` renders cdk.out without the CDK's CLI.
const path = require("node:path");
const { App, Stack } = require("aws-cdk-lib");
const { CfnInclude } = require("aws-cdk-lib/cloudformation-include");

const INFRA = path.join(__dirname, "..");

// A stack that has the resources of one template. Parameters that are not given keep the template's defaults.
function included(app, id, template, parameters) {
  const stack = new Stack(app, id, { stackName: id, analyticsReporting: false });
  new CfnInclude(stack, "Template", { templateFile: path.join(INFRA, template), parameters, preserveLogicalIds: true });
  return stack;
}

const app = new App({ outdir: process.argv[2] });
const account = "123456789012";
const group = `arn:aws:elasticloadbalancing:us-east-1:${account}:targetgroup/orders/73e2d6bc24d8a067`;

const worker = included(app, "writerlink", "writerlink.yaml", {
  Image: `${account}.dkr.ecr.us-east-1.amazonaws.com/writerlink@sha256:${"0".repeat(64)}`,
  VpcId: "vpc-12345678",
  SubnetIds: ["subnet-12345678", "subnet-87654321"],
  DeploymentPrincipalArns: `arn:aws:iam::${account}:role/deployment`,
});
const people = included(app, "writerlink-people", "people.yaml", {
  OperatorPrincipalArn: `arn:aws:iam::${account}:role/on-call`,
});
const grants = included(app, "writerlink-grants", "grants.yaml", { TargetGroupArns: group });
const route = included(app, "writerlink-orders", "route.yaml", {
  RouteName: "orders",
  SourceArn: `arn:aws:rds:us-east-1:${account}:cluster:orders`,
});
// Templates find each other by exports and by the names of roles, which the CDK cannot see.
people.addDependency(worker);
grants.addDependency(people);
route.addDependency(people);

app.synth();
