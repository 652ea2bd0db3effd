use super::{
    Origin,
    allowed::{AllowedOrigins, OriginHeaders},
};

fn allowed(entries: &[&str]) -> AllowedOrigins {
    let entries = entries.iter().map(|&entry| entry.to_owned()).collect();
    AllowedOrigins::new(entries, false).expect("origins")
}

fn allows(allowed: &AllowedOrigins, origin: &str, host: Option<&str>) -> bool {
    check(allowed, origin, host, None).is_ok()
}

fn check(
    allowed: &AllowedOrigins,
    origin: &str,
    host: Option<&str>,
    forwarded_host: Option<&str>,
) -> Result<(), String> {
    let headers = OriginHeaders {
        origin,
        host,
        forwarded_host,
    };
    allowed.check(&headers).map_err(|error| error.to_string())
}

#[test]
fn page_of_the_same_host_and_port_is_allowed() {
    let none = allowed(&[]);
    for (origin, host, is_allowed) in [
        ("http://127.0.0.1:3030", "127.0.0.1:3030", true),
        ("https://Example.com", "example.COM", true),
        ("https://example.com", "example.com:443", true),
        ("http://example.com:80", "example.com", true),
        ("http://[::1]:3030", "[::1]:3030", true),
        ("http://127.0.0.1:3031", "127.0.0.1:3030", false),
        ("http://127.0.0.1", "127.0.0.1:3030", false),
        ("https://example.com", "example.com:80", false),
        ("https://example.com.evil.org", "example.com", false),
        ("https://evil.org", "example.com", false),
        ("https://evil.org/example.com", "example.com", false),
        ("https://example.com@evil.org", "evil.org", false),
        ("null", "example.com", false),
        ("", "example.com", false),
        ("example.com", "example.com", false),
        ("http://", "", false),
        ("http://example.com:", "example.com", false),
        ("http://example.com", "example.com:x", false),
        // An installed application. Its developer can choose any host.
        ("app://example.com", "example.com", false),
        ("capacitor://localhost", "localhost", false),
    ] {
        assert_eq!(
            allows(&none, origin, Some(host)),
            is_allowed,
            "{origin} at {host}"
        );
    }
    assert!(!allows(&none, "https://example.com", None));
}

/// A proxy may rewrite `Host` to a loopback address. If all names of the loopback were one host,
/// the pages of each visitor's own machine could then connect.
#[test]
fn loopback_names_are_different_hosts() {
    let none = allowed(&[]);
    for (origin, host) in [
        ("http://localhost:3030", "127.0.0.1:3030"),
        ("http://127.0.0.1:3030", "localhost:3030"),
        ("http://localhost:3030", "[::1]:3030"),
    ] {
        let refusal = check(&none, origin, Some(host), None).expect_err(origin);
        assert!(refusal.contains("location.host"), "{refusal}");
    }
    let refusal = check(&none, "http://localhost:5173", Some("localhost:3030"), None);
    let refusal = refusal.expect_err("another port");
    assert!(!refusal.contains("location.host"), "{refusal}");
}

#[test]
fn listed_page_is_allowed() {
    let some = allowed(&["https://App.example.com:443", "http://localhost:5173"]);
    let host = Some("api.example.com");
    assert!(allows(&some, "https://app.example.com", host));
    assert!(allows(&some, "http://localhost:5173", host));
    assert!(!allows(&some, "http://app.example.com", host));
    assert!(!allows(&some, "null", host));
    assert!(allows(&allowed(&["null"]), "null", host));
    assert!(!allows(&allowed(&["null"]), "file://", host));
    assert!(allows(&allowed(&["*"]), "https://evil.org", None));
}

#[test]
fn subdomains_match_their_pattern() {
    let some = allowed(&["https://*.Example.com", "http://*.localhost:5173"]);
    for (origin, is_allowed) in [
        ("https://a.example.com", true),
        ("https://A.b.example.com:443", true),
        ("http://tenant.localhost:5173", true),
        ("https://example.com", false),
        ("https://.example.com", false),
        ("https://evilexample.com", false),
        ("https://a.example.com.evil.org", false),
        ("https://a.example.com:8443", false),
        ("http://a.example.com", false),
        ("http://tenant.localhost", false),
        ("http://localhost:5173", false),
        ("app://a.example.com", false),
        ("https://*.example.com", false),
        ("null", false),
    ] {
        assert_eq!(allows(&some, origin, None), is_allowed, "{origin}");
    }
}

#[test]
fn page_of_an_installed_application_is_allowed() {
    for origin in [
        "file://",
        "tauri://localhost",
        "capacitor://localhost",
        "ionic://localhost",
        "app://.",
        "app://-",
        "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
        "moz-extension://0d5fbc40-7d3f-4f5f-a3ea-7a5d9b5b8a10",
    ] {
        let some = allowed(&[origin]);
        assert!(allows(&some, origin, Some("example.com")), "{origin}");
        assert!(!allows(&some, "null", Some("example.com")), "{origin}");
        assert!(
            !allows(&some, "app://other", Some("example.com")),
            "{origin}"
        );
    }
}

#[test]
fn forwarded_host_counts_only_if_it_is_trusted() {
    let page = "https://app.example.com";
    let (host, forwarded) = (Some("127.0.0.1:3030"), Some("app.example.com, inner:8080"));
    let refusal = check(&allowed(&[]), page, host, forwarded).expect_err("not trusted");
    assert!(refusal.contains(".trust_forwarded_host(true)"), "{refusal}");
    let trusting = AllowedOrigins::new(Vec::new(), true).expect("no entries");
    assert_eq!(check(&trusting, page, host, forwarded), Ok(()));
    // The proxy says which host the browser used. Nothing else is the server's host.
    for (origin, forwarded) in [
        ("http://127.0.0.1:3030", forwarded),
        ("https://evil.org", Some("app.example.com, evil.org")),
        ("https://inner:8080", forwarded),
    ] {
        assert!(
            check(&trusting, origin, host, forwarded).is_err(),
            "{origin}"
        );
    }
    // Without the header, the request did not pass the proxy.
    for forwarded in [None, Some(""), Some(" , x")] {
        let own = check(&trusting, "http://127.0.0.1:3030", host, forwarded);
        assert_eq!(own, Ok(()), "{forwarded:?}");
    }
}

#[test]
fn refusal_names_the_headers_and_the_line_to_write() {
    let host = Some("127.0.0.1:3030");
    let refusal = check(&allowed(&[]), "http://localhost:5173", host, None);
    assert_eq!(
        refusal.expect_err("another port"),
        "This page may not open a websocket here: its origin is neither the server's nor allowed.\n\
         Origin: \"http://localhost:5173\"\n\
         Host: \"127.0.0.1:3030\"\n\
         If a proxy changed `Host`, let it pass the browser's `Host` on.\n\
         To allow the page, write .allowed_origins([\"http://localhost:5173\"]) on Live::builder(..)."
    );
    for (origin, line) in [
        ("tauri://localhost", "[\"tauri://localhost\"]"),
        ("file://", "[\"file://\"]"),
        ("null", "To allow every page"),
        ("http://a.example, http://b.example", "No browser"),
    ] {
        let refusal = check(&allowed(&[]), origin, None, None).expect_err(origin);
        assert!(refusal.contains(line), "{refusal}");
    }
    let long = format!("https://{}", "x".repeat(10_000));
    let refusal = check(&allowed(&[]), &long, Some(&long), Some(&long));
    assert!(refusal.expect_err("too long").len() < 2_000);
}

#[test]
fn line_of_the_refusal_allows_the_page() {
    for origin in ["http://localhost:5173", "file://", "HTTPS://A.Example:443"] {
        let parsed = Origin::parse(origin).expect(origin).to_string();
        assert!(allows(&allowed(&[&parsed]), origin, None), "{parsed}");
    }
}

#[test]
fn list_entry_must_be_an_origin() {
    for wrong in [
        "",
        "example.com",
        "https://example.com/",
        "https://example.com/app",
        "https://",
        "://x",
        "1http://x",
        "https://bücher.example",
        "https://user@example.com",
        "https://example.com:port",
        "https://example.com:+1",
        "https://[::g]",
        "wss://example.com",
        "http://localhost:*",
        "https://*",
        "https://*.com",
        "https://*.",
        "https://*.0.0.1",
        "https://a.*.example.com",
        "https://*example.com",
        "https://*.*.example.com",
        "https://*..example.com",
        "*.example.com",
        "*://example.com",
        "app://*.example.com",
        "Null",
    ] {
        let refused = AllowedOrigins::new(vec!["*".to_owned(), wrong.to_owned()], false);
        let (entry, problem) = refused.expect_err(wrong);
        assert_eq!(entry, wrong);
        assert!(problem.starts_with("is "), "{problem}");
    }
}
