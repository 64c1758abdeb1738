//! Headers and refusals of every response.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::set_header::SetResponseHeaderLayer;

/// Nothing is loaded from elsewhere, no script runs, and no site frames the page.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    // Events and addresses must not be cached, and a page must not show an old state.
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Passes only read requests that are addressed to this machine to `app`.
pub(super) fn guarded(app: Router, address: SocketAddr) -> Router {
    let on_loopback = address.ip().is_loopback();
    let guard = middleware::from_fn(move |request: Request, next: Next| async move {
        match refused(on_loopback, &request) {
            Some(refusal) => refusal,
            None => next.run(request).await,
        }
    });
    HEADERS.into_iter().fold(app.layer(guard), |app, (name, value)| {
        let name = HeaderName::from_static(name);
        app.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)))
    })
}

fn refused(on_loopback: bool, request: &Request) -> Option<Response> {
    let refuse = |status: StatusCode, text: &'static str| Some((status, text).into_response());
    if request.version() != Version::HTTP_11 {
        return refuse(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "this server speaks HTTP/1.1 alone\n");
    }
    // With two it would be ambiguous which one counts (RFC 9112, 3.2).
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return refuse(StatusCode::BAD_REQUEST, "a request has exactly one Host header\n");
    };
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let text = "this page can be read, and nothing else\n";
        let allow = [(header::ALLOW, "GET, HEAD")];
        return Some((StatusCode::METHOD_NOT_ALLOWED, allow, text).into_response());
    }
    if on_loopback && !names_this_machine(host.to_str().unwrap_or_default()) {
        let text = "on loopback this page answers to localhost, 127.0.0.1 and [::1] alone\n";
        return refuse(StatusCode::MISDIRECTED_REQUEST, text);
    }
    None
}

/// Against DNS rebinding: a page somewhere on the web whose name comes to stand for 127.0.0.1 would be of the
/// same origin as this one, and could read it in the browser of a person with an open session. Its name is
/// still in `Host`. The port is not compared: a forwarded session has another one.
fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let address: Result<IpAddr, _> = bare.unwrap_or(name).parse();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered_to() {
        for host in ["localhost", "LOCALHOST:8089", "127.0.0.1:9", "[::1]:8089", "[::1]"] {
            assert!(names_this_machine(host), "{host}");
        }
        for host in [
            "",
            "rebound.example",
            "rebound.example:8089",
            "127.0.0.1.rebound.example",
            "localhost.rebound.example",
            "10.0.0.1:8089",
            "localhost:8089:evil",
        ] {
            assert!(!names_this_machine(host), "{host}");
        }
    }
}
