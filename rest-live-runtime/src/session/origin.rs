//! Decides which web pages may open a websocket.
//!
//! Browsers let any page open a websocket to any server, with the user's cookies. Only the `Origin`
//! header shows which page it is (RFC 6455, section 10.2).

/// The origins that may connect, in addition to the server's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    listed: Vec<String>,
    any: bool,
}

impl Origins {
    /// Parses a list of origins, such as `https://app.example.com`. `*` allows every origin.
    ///
    /// # Errors
    /// The first entry that is not an origin.
    pub(crate) fn new(listed: Vec<String>) -> Result<Self, String> {
        let mut origins = Self::default();
        for entry in listed {
            match entry.as_str() {
                "*" => origins.any = true,
                "null" => origins.listed.push(entry),
                _ => match authority(&entry) {
                    Some(_) => origins.listed.push(normalize(&entry)),
                    None => return Err(entry),
                },
            }
        }
        Ok(origins)
    }

    /// Returns whether a page of this origin may connect. `host` is the `Host` header of its
    /// request.
    pub(crate) fn allow(&self, origin: &str, host: Option<&str>) -> bool {
        if self.any || self.listed.contains(&normalize(origin)) {
            return true;
        }
        match (authority(origin), host) {
            (Some((scheme, authority)), Some(host)) => {
                without_default_port(scheme, &authority.to_ascii_lowercase())
                    == without_default_port(scheme, &host.to_ascii_lowercase())
            }
            _ => false,
        }
    }
}

/// Splits an origin into scheme and authority. `None` if it has another part, such as a path.
fn authority(origin: &str) -> Option<(&str, &str)> {
    let (scheme, authority) = origin.split_once("://")?;
    let is_valid = !scheme.is_empty()
        && !authority.is_empty()
        && !authority.contains(['/', '?', '#', '@', ' ', ',']);
    is_valid.then_some((scheme, authority))
}

fn normalize(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    match authority(&origin) {
        Some((scheme, authority)) => {
            format!("{scheme}://{}", without_default_port(scheme, authority))
        }
        None => origin,
    }
}

fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let default = match scheme.to_ascii_lowercase().as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return authority,
    };
    authority.strip_suffix(default).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(listed: &[&str]) -> Origins {
        Origins::new(listed.iter().map(|&o| o.to_owned()).collect()).expect("origins")
    }

    #[test]
    fn page_of_the_same_host_and_port_is_allowed() {
        let none = origins(&[]);
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
        ] {
            assert_eq!(
                none.allow(origin, Some(host)),
                is_allowed,
                "{origin} at {host}"
            );
        }
        assert!(!none.allow("https://example.com", None));
    }

    #[test]
    fn listed_page_is_allowed() {
        let some = origins(&["https://App.example.com:443", "http://localhost:5173"]);
        let host = Some("api.example.com");
        assert!(some.allow("https://app.example.com", host));
        assert!(some.allow("http://localhost:5173", host));
        assert!(!some.allow("http://app.example.com", host));
        assert!(!some.allow("null", host));
        assert!(origins(&["null"]).allow("null", host));
        assert!(origins(&["*"]).allow("https://evil.org", None));
    }

    #[test]
    fn list_entry_must_be_an_origin() {
        for wrong in [
            "example.com",
            "https://example.com/",
            "https://",
            "://x",
            "",
        ] {
            let listed = Origins::new(vec![wrong.to_owned()]);
            assert_eq!(listed.err().as_deref(), Some(wrong));
        }
    }
}
