//! Decides which web pages may open a websocket.
//!
//! Browsers let any page open a websocket to any server, with the user's cookies. Only the `Origin`
//! header shows which page it is (RFC 6455, section 10.2).

pub(crate) mod allowed;
pub(crate) mod forbidden;
pub(crate) mod log_limit;

use std::fmt;

/// Maximum length of a host name (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 255;

/// The origin of a page: RFC 6454, section 7. A default port is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    /// Parses an origin as a browser or a developer writes it.
    ///
    /// # Errors
    /// What is wrong with the text, for the developer.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").ok_or(
            "is not an origin: write only scheme, host and port, such as \"https://app.example.com\"",
        )?;
        let is_scheme_char = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            || !scheme.chars().all(is_scheme_char)
        {
            return Err("is not an origin: its scheme is not valid");
        }
        if !authority.is_ascii() {
            return Err(
                "is not an origin that a browser sends: write the host in punycode (xn--..)",
            );
        }
        if authority.contains(['/', '?', '#']) {
            return Err("is not an origin: remove the slash or path after the host");
        }
        let (host, port) = split_port(authority)
            .filter(|(host, _)| host.len() <= MAX_HOST_BYTES)
            .ok_or("is not an origin: its host or port is not valid")?;
        let origin = Self {
            port: port.filter(|port| Some(*port) != default_port(scheme)),
            scheme: scheme.to_owned(),
            host: host.to_owned(),
        };
        if host.is_empty() && (origin.is_web() || port.is_some()) {
            return Err("is not an origin: its host is missing");
        }
        Ok(origin)
    }

    /// Returns whether the page was loaded over HTTP, and not from an installed application.
    fn is_web(&self) -> bool {
        default_port(&self.scheme).is_some()
    }

    /// Returns whether the page has the host and port of a `Host` header. The header does not
    /// contain the scheme.
    fn is_at(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let Some((host, port)) = split_port(&host) else {
            return false;
        };
        let port = port.filter(|port| Some(*port) != default_port(&self.scheme));
        self.is_web() && (host, port) == (&*self.host, self.port)
    }

    /// Returns whether the page and the `Host` header are two names of this machine with one port.
    fn is_other_loopback_name(&self, host: &str) -> bool {
        const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
        let same_host = |name: &&str| {
            let origin = Self {
                host: (*name).to_owned(),
                ..self.clone()
            };
            origin.is_at(host)
        };
        NAMES.contains(&&*self.host) && NAMES.iter().any(same_host)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Splits a host and an optional port. `None` if either is malformed. The host may be empty.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority[end..].find(':') {
        Some(colon) => {
            let digits = &authority[end + colon + 1..];
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let port = digits.parse().ok().filter(|_| is_number)?;
            (&authority[..end + colon], Some(port))
        }
        None => (authority, None),
    };
    let is_host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
    };
    is_host.then_some((host, port))
}

#[cfg(test)]
mod tests;
