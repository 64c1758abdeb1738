//! `[dns]`: which name servers every command queries.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::config::findings::Found;
use crate::config::section::Section;
use crate::config::words::Rule;
use writerlink_aws::dns::names::{PORT, SERVERS_MAX};

/// Which name servers are queried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NameServers {
    /// Those of `/etc/resolv.conf`.
    #[default]
    System,
    /// These, in this order.
    At(Vec<SocketAddr>),
}

impl fmt::Display for NameServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("/etc/resolv.conf"),
            Self::At(servers) => {
                let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
                f.write_str(&servers.join(", "))
            }
        }
    }
}

const FIELD: &str = "resolver";

const SERVER: Rule<SocketAddr> = Rule {
    parse: server,
    fix: "write the IP address of a resolver, with a port if it is not 53: \"10.0.0.2\", \"10.0.0.2:5353\", \
          \"fd00:ec2::253\" or \"[fd00:ec2::253]:5353\"; or leave the field out, for /etc/resolv.conf",
};

fn server(text: &str) -> Result<SocketAddr, String> {
    let alone = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
    let Ok(server) = alone.or_else(|_| text.parse::<SocketAddr>()) else {
        return Err("this is not an IP address with an optional port".to_owned());
    };
    if server.port() == 0 {
        return Err("port 0 cannot be queried".to_owned());
    }
    let scoped = matches!(server, SocketAddr::V6(v6) if v6.scope_id() != 0);
    if server.ip().is_unspecified() || server.ip().is_multicast() || scoped {
        return Err("this is not a unicast address".to_owned());
    }
    Ok(server)
}

/// Reads `[dns]`.
pub(super) fn resolver(section: &Section<'_>) -> NameServers {
    let found = section.one_or_more(FIELD, &SERVER);
    section.has_no_others();
    let servers = found.as_ref().map(|found| found.value.as_slice());
    let repeats = |servers: &[SocketAddr]| servers.iter().collect::<BTreeSet<_>>().len() < servers.len();
    if servers.is_some_and(<[_]>::is_empty) {
        section.accuse(FIELD, "the list is empty", SERVER.fix);
    }
    if servers.is_some_and(|servers| servers.len() > SERVERS_MAX) {
        let why = "at most three resolvers are queried, one after the other: there is no time for more";
        section.accuse(FIELD, why, "keep the three most trusted resolvers");
    }
    if servers.is_some_and(repeats) {
        let fix = "name each one once: the next one is queried when the one before it fails";
        section.accuse(FIELD, "the same resolver is listed twice", fix);
    }
    let found = found.map(|Found { value, place }| Found { value: NameServers::At(value), place });
    section.or_default(FIELD, found, NameServers::System, NameServers::to_string)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ConfigError, Loaded, file};

    const ROUTE: &str = "[[route]]\ntarget_group = \"arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/73e2d6bc24d8a067\"\n\
         [route.instances]\ndb-1 = \"10.0.1.10\"\n";

    fn read(lines: &str) -> Result<Loaded, ConfigError> {
        file::parse(Path::new("w.toml"), &format!("{lines}\n{ROUTE}"), &|_| None)
    }

    fn shown(lines: &str) -> String {
        let loaded = read(lines).unwrap();
        let shown = loaded.settings.iter();
        let shown: Vec<String> = shown
            .filter(|setting| setting.field == "dns.resolver")
            .map(|setting| format!("{} ({})", setting.value, setting.origin))
            .collect();
        assert_eq!(loaded.config.resolver.to_string(), loaded.settings_of());
        shown.join(" and ")
    }

    impl Loaded {
        fn settings_of(&self) -> &str {
            let mut found = self.settings.iter();
            let found = found.find(|setting| setting.field == "dns.resolver");
            &found.unwrap().value
        }
    }

    #[test]
    fn one_resolver_or_several_in_their_order_are_understood() {
        for (written, understood) in [
            ("\"10.0.0.2:53\"", "10.0.0.2:53"),
            ("\"10.0.0.2\"", "10.0.0.2:53"),
            ("\"127.0.0.1:5353\"", "127.0.0.1:5353"),
            ("\"fd00:ec2::253\"", "[fd00:ec2::253]:53"),
            ("\"[fd00:ec2::253]:5353\"", "[fd00:ec2::253]:5353"),
            ("[\"10.0.0.3\", \"10.0.0.2\", \"fd00::2\"]", "10.0.0.3:53, 10.0.0.2:53, [fd00::2]:53"),
        ] {
            let lines = format!("[dns]\nresolver = {written}");
            assert_eq!(shown(&lines), format!("{understood} (line 2)"));
        }
    }

    #[test]
    fn without_the_field_the_systems_resolvers_are_used() {
        for lines in ["", "[dns]"] {
            assert_eq!(shown(lines), "/etc/resolv.conf (default)");
            assert_eq!(read(lines).unwrap().config.resolver, NameServers::System);
        }
    }

    fn faults(lines: &str) -> String {
        let Err(ConfigError::Faulty { faults, .. }) = read(lines) else {
            panic!("{lines} has no fault");
        };
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        faults.join("\n")
    }

    #[test]
    fn a_wrong_resolver_is_reported_with_its_value_and_the_fix() {
        let reported = [
            "resolver = \"resolver.example.com\"",
            "resolver = \"0.0.0.0\"",
            "resolver = \"10.0.0.2:0\"",
            "resolver = \"[fe80::1%1]:53\"",
            "resolver = 53",
            "resolver = []",
            "resolver = [\"10.0.0.2\", \"10.0.0.2:53\"]",
            "resolver = [\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\", \"10.0.0.4\"]",
            "resolvers = \"10.0.0.2\"",
        ]
        .map(|line| faults(&format!("[dns]\n{line}")));
        let reported = reported.join("\n").replace(SERVER.fix, "FIX");
        insta::assert_snapshot!(reported, @r#"
        w.toml:2: dns.resolver = "resolver.example.com"
          why: this is not an IP address with an optional port
          fix: FIX
        w.toml:2: dns.resolver = "0.0.0.0"
          why: this is not a unicast address
          fix: FIX
        w.toml:2: dns.resolver = "10.0.0.2:0"
          why: port 0 cannot be queried
          fix: FIX
        w.toml:2: dns.resolver = "[fe80::1%1]:53"
          why: this is not a unicast address
          fix: FIX
        w.toml:2: dns.resolver = 53
          why: this has to be a string in quotes, but is a whole number
          fix: FIX
        w.toml:2: dns.resolver = []
          why: the list is empty
          fix: FIX
        w.toml:2: dns.resolver = ["10.0.0.2", "10.0.0.2:53"]
          why: the same resolver is listed twice
          fix: name each one once: the next one is queried when the one before it fails
        w.toml:2: dns.resolver = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
          why: at most three resolvers are queried, one after the other: there is no time for more
          fix: keep the three most trusted resolvers
        w.toml:2: dns.resolvers = "10.0.0.2"
          why: there is no such field
          fix: remove it, or use one of: resolver
        "#);
    }
}
