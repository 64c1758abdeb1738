//! Links to the AWS console, where a person goes on from here.
//!
//! AWS documents no addresses of its console. These are the ones that the console itself shows, as many
//! public repositories quote them (`#TargetGroup:targetGroupArn=`, `;is-cluster=`, `/sqs/v3/home`); a
//! changed one leads to the console's start page.

use maud::{Markup, html};

use writerlink_core::model::names::{ArnPart, Location, TargetGroupArn};
use writerlink_core::model::route::Route;
use writerlink_core::model::source_arn::SourceKind;

/// The console of a partition and Region.
fn console(place: Location<'_>) -> String {
    let domain = match place.partition {
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        _ => "console.aws.amazon.com",
    };
    format!("https://{}.{domain}", place.region)
}

/// A link away from the page. The page's address is not sent along.
fn link(href: &str, text: &str) -> Markup {
    html! { a href=(href) rel="noreferrer noopener" target="_blank" { (text) } }
}

/// A link to a target group.
pub(super) fn target_group(arn: &TargetGroupArn) -> Markup {
    let place = arn.location();
    let href =
        format!("{}/ec2/home?region={}#TargetGroup:targetGroupArn={arn}", console(place), place.region);
    link(&href, "target group in the AWS console")
}

/// A link to the database of a route, if its name and Region are known.
pub(super) fn database(route: &Route) -> Option<Markup> {
    let followed = route.followed();
    let (name, place) = (followed.name?, followed.location);
    let region = place.part(ArnPart::Region)?;
    let is_cluster = followed.kind == SourceKind::Cluster;
    let text = if is_cluster { "cluster in the AWS console" } else { "instance in the AWS console" };
    let href =
        format!("{}/rds/home?region={region}#database:id={name};is-cluster={is_cluster}", console(place));
    Some(link(&href, text))
}

/// A link to a queue, by its URL, or by its name in the account and Region of a target group. A URL that is
/// not one of AWS has none.
pub(super) fn queue(arn: &TargetGroupArn, queue: &str) -> Option<Markup> {
    let place = arn.location();
    let domain = if place.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let url = if queue.contains("://") {
        queue.to_owned()
    } else {
        format!("https://sqs.{}.{domain}/{}/{queue}", place.region, place.account)
    };
    let url = url.strip_prefix("https://").filter(|url| url.contains(".amazonaws.com"))?;
    let url = format!("https%3A%2F%2F{}", url.replace('/', "%2F"));
    let href = format!("{}/sqs/v3/home?region={}#/queues/{url}", console(place), place.region);
    Some(link(&href, "queue in the AWS console"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(partition: &str, region: &str) -> TargetGroupArn {
        let arn = format!("arn:{partition}:elasticloadbalancing:{region}:123456789012:targetgroup/db/73e2");
        TargetGroupArn::new(&arn).unwrap()
    }

    #[test]
    fn a_link_leads_to_the_console_of_partition_and_region() {
        let group = target_group(&arn("aws", "eu-west-1")).0;
        assert!(
            group.contains("https://eu-west-1.console.aws.amazon.com/ec2/home?region=eu-west-1#"),
            "{group}"
        );
        let queue = queue(&arn("aws-us-gov", "us-gov-west-1"), "writerlink.fifo").unwrap().0;
        for part in [
            "https://us-gov-west-1.console.amazonaws-us-gov.com/sqs/v3/home",
            "https%3A%2F%2Fsqs.us-gov-west-1.amazonaws.com%2F123456789012%2Fwriterlink.fifo",
        ] {
            assert!(queue.contains(part), "{queue}");
        }
        assert!(super::queue(&arn("aws", "eu-west-1"), "http://127.0.0.1:4566/1/q").is_none());
    }
}
