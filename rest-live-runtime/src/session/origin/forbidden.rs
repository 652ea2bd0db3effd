//! Why a page may not open a websocket, and how to allow it.

use std::fmt;

use super::{Origin, allowed::OriginHeaders};

/// Maximum length of a header in the text, in characters.
const MAX_HEADER_CHARS: usize = 300;

/// A web page may not open a websocket: its origin is neither the server's nor allowed.
///
/// The text is for the developer of the page. It names the headers of the request and the line that
/// allows the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForbiddenOrigin {
    origin: String,
    host: Option<String>,
    forwarded_host: Option<String>,
    /// A cause that is likely; may be empty.
    hint: &'static str,
    remedy: String,
}

impl ForbiddenOrigin {
    pub(super) fn new(origin: Option<&Origin>, headers: &OriginHeaders<'_>) -> Self {
        let (hint, remedy) = remedy(origin, headers);
        Self {
            origin: quoted(headers.origin),
            host: headers.host.map(quoted),
            forwarded_host: headers.forwarded_host.map(quoted),
            hint,
            remedy,
        }
    }

    /// Returns the header `Origin`, in quotes.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the header `Host`, in quotes.
    pub(crate) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns the header `X-Forwarded-Host`, in quotes.
    pub(crate) fn forwarded_host(&self) -> Option<&str> {
        self.forwarded_host.as_deref()
    }

    /// Returns what to do if the page should be allowed, in one line.
    pub(crate) fn remedy(&self) -> String {
        format!("{} {}", self.hint, self.remedy)
            .trim_start()
            .to_owned()
    }
}

impl fmt::Display for ForbiddenOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let absent = "(none)";
        let host = self.host().unwrap_or(absent);
        write!(
            f,
            "This page may not open a websocket here: its origin is neither the server's nor allowed.\n\
             Origin: {}\nHost: {host}\n",
            self.origin
        )?;
        if let Some(forwarded_host) = self.forwarded_host() {
            writeln!(f, "X-Forwarded-Host: {forwarded_host}")?;
        }
        if !self.hint.is_empty() {
            writeln!(f, "{}", self.hint)?;
        }
        f.write_str(&self.remedy)
    }
}

impl std::error::Error for ForbiddenOrigin {}

/// Returns a hint and the line that allows the page.
fn remedy(origin: Option<&Origin>, headers: &OriginHeaders<'_>) -> (&'static str, String) {
    let Some(origin) = origin else {
        return if headers.origin == "null" {
            let allow = "To allow every page, write .allowed_origins([\"null\"]) on Live::builder(..). \
                         Do so only if no cookie signs users in.";
            (
                "Pages from files have the origin `null`, and so have sandboxed frames of every site.",
                allow.to_owned(),
            )
        } else {
            ("", "No browser sends such an `Origin`.".to_owned())
        };
    };
    let is_forwarded = headers
        .forwarded_host()
        .is_some_and(|host| origin.is_at(host));
    if is_forwarded {
        let trust = "If all requests pass this proxy, write .trust_forwarded_host(true) on \
                     Live::builder(..).";
        return ("A proxy changed `Host`.", trust.to_owned());
    }
    let hint = if headers
        .host
        .is_some_and(|host| origin.is_other_loopback_name(host))
    {
        "These are two names of one machine, but two origins for a browser. The page should connect \
         to the host of its own address (location.host)."
    } else if origin.is_web() {
        "If a proxy changed `Host`, let it pass the browser's `Host` on."
    } else {
        ""
    };
    let allow =
        format!("To allow the page, write .allowed_origins([\"{origin}\"]) on Live::builder(..).");
    (hint, allow)
}

/// Quotes and truncates a header.
fn quoted(header: &str) -> String {
    match header.char_indices().nth(MAX_HEADER_CHARS) {
        Some((end, _)) => format!("{:?}…", &header[..end]),
        None => format!("{header:?}"),
    }
}
