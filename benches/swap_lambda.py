"""The Lambda that writerlink replaces, written anew after the article's description of it.

SNS message in; the text after the last ": " is the instance; a map gives its address; the first row of
DescribeTargetHealth is the old target; deregister the old one, register the new one. No lock, no record, no order.

    python swap_lambda.py          answers an event per line of stdin with when the handler was called (warm)
    python swap_lambda.py once     handles one event from stdin, says its peak memory in KiB, and ends (cold)
"""

import json
import os
import sys
import time

import boto3

from rig import resident_kib

TARGET_GROUP_ARN = os.environ["TARGET_GROUP_ARN"]
IP_DICT = json.loads(os.environ["IP_DICT"])
PORT = 3306

# Outside the handler, as AWS advises: a warm Lambda keeps its client and the client its connection.
elbv2 = boto3.client("elbv2")


def handler(event, _context):
    message = json.loads(event["Records"][0]["Sns"]["Message"])["Event Message"]
    instance = message[message.rfind(": ") + 2 :]
    new = IP_DICT[instance]
    health = elbv2.describe_target_health(TargetGroupArn=TARGET_GROUP_ARN)
    old = health["TargetHealthDescriptions"][0]["Target"]["Id"]
    if old == new:
        return
    elbv2.deregister_targets(TargetGroupArn=TARGET_GROUP_ARN, Targets=[{"Id": old, "Port": PORT}])
    elbv2.register_targets(TargetGroupArn=TARGET_GROUP_ARN, Targets=[{"Id": new, "Port": PORT}])


def main():
    if "once" in sys.argv:
        handler(json.load(sys.stdin), None)
        print(resident_kib("self", "VmHWM"))
        return
    for line in sys.stdin:
        event = json.loads(line)
        called = time.monotonic()
        handler(event, None)
        print(called, flush=True)


if __name__ == "__main__":
    main()
