//! The origins that may open a websocket.

use super::{Origin, forbidden::ForbiddenOrigin};

/// The origins that may connect, in addition to the server's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedOrigins {
    /// Every origin may connect.
    any: bool,
    /// Pages whose origin is the text `null` may connect.
    null: bool,
    exact: Vec<Origin>,
    /// The host of each is the part of a pattern after `*`, such as `.example.com`.
    subdomains: Vec<Origin>,
    trusts_forwarded_host: bool,
}

/// The headers of a request that decide about its origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OriginHeaders<'h> {
    pub(crate) origin: &'h str,
    pub(crate) host: Option<&'h str>,
    /// The header `X-Forwarded-Host`.
    pub(crate) forwarded_host: Option<&'h str>,
}

impl OriginHeaders<'_> {
    /// Returns the host that the browser used, according to the first proxy.
    pub(super) fn forwarded_host(&self) -> Option<&str> {
        let first = self.forwarded_host?.split(',').next()?.trim();
        Some(first).filter(|host| !host.is_empty())
    }
}

impl AllowedOrigins {
    /// Parses a list of origins. `*` allows every origin.
    ///
    /// # Errors
    /// The first entry that no origin can match, and what is wrong with it.
    pub(crate) fn new(
        entries: Vec<String>,
        trusts_forwarded_host: bool,
    ) -> Result<Self, (String, &'static str)> {
        let mut allowed = Self {
            trusts_forwarded_host,
            ..Self::default()
        };
        for entry in entries {
            if let Err(problem) = allowed.add(&entry) {
                return Err((entry, problem));
            }
        }
        Ok(allowed)
    }

    fn add(&mut self, entry: &str) -> Result<(), &'static str> {
        match entry {
            "*" => self.any = true,
            "null" => self.null = true,
            _ if entry.starts_with("ws://") || entry.starts_with("wss://") => {
                return Err(
                    "is the address of a websocket: write the origin of the page, which starts with \"http://\" or \"https://\"",
                );
            }
            _ if entry.contains('*') => self.subdomains.push(subdomains(entry)?),
            _ => self.exact.push(Origin::parse(entry)?),
        }
        Ok(())
    }

    /// Checks whether the page that sends a request may connect.
    ///
    /// # Errors
    /// The page may not connect. The error explains how to allow it.
    pub(crate) fn check(&self, headers: &OriginHeaders<'_>) -> Result<(), ForbiddenOrigin> {
        if self.any || self.null && headers.origin == "null" {
            return Ok(());
        }
        let origin = Origin::parse(headers.origin).ok();
        let is_allowed = origin.as_ref().is_some_and(|origin| {
            let host = self.server_host(headers);
            self.exact.contains(origin)
                || self
                    .subdomains
                    .iter()
                    .any(|parent| is_below(origin, parent))
                || host.is_some_and(|host| origin.is_at(host))
        });
        if is_allowed {
            return Ok(());
        }
        Err(ForbiddenOrigin::new(origin.as_ref(), headers))
    }

    /// Returns the host of the server, as the browser knows it.
    fn server_host<'h>(&self, headers: &'h OriginHeaders<'_>) -> Option<&'h str> {
        let forwarded = headers.forwarded_host();
        forwarded
            .filter(|_| self.trusts_forwarded_host)
            .or(headers.host)
    }
}

fn is_below(origin: &Origin, parent: &Origin) -> bool {
    (&origin.scheme, origin.port) == (&parent.scheme, parent.port)
        && origin
            .host
            .strip_suffix(&*parent.host)
            .is_some_and(|labels| !labels.is_empty())
}

/// Parses `https://*.example.com`. The host of the result is `.example.com`.
fn subdomains(entry: &str) -> Result<Origin, &'static str> {
    const PROBLEM: &str = "is not a pattern that rest-live supports: \"*\" stands for subdomains and only in front of a domain, such as \"https://*.example.com\"";
    let (scheme, host) = entry.split_once("://*.").ok_or(PROBLEM)?;
    let mut origin = Origin::parse(&format!("{scheme}://{host}")).map_err(|_| PROBLEM)?;
    let mut labels = origin.host.rsplit('.');
    let last = labels.next().unwrap_or_default();
    // `*.com` would allow half of the web. An IP address has no subdomains.
    let is_domain = last.starts_with(|c: char| c.is_ascii_alphabetic())
        && (labels.next().is_some() || last == "localhost")
        && !origin.host.split('.').any(str::is_empty);
    if !is_domain || !origin.is_web() {
        return Err(PROBLEM);
    }
    origin.host.insert(0, '.');
    Ok(origin)
}
