//! The URL of a log: the server, the database, the key prefix and the number of events to keep.

use redis::Client;
#[cfg(feature = "tls")]
use redis::{RedisError, TlsCertificates};
use url::Url;

use crate::{error::RedisLogError, options::Options};

/// The default prefix of all keys.
const DEFAULT_PREFIX: &str = "rest-live";

/// The default number of events to keep.
const DEFAULT_KEEP: u64 = 100_000;

/// The form of a URL, shown in errors.
const URL_FORM: &str = "redis://user:password@host:6379/0?prefix=rest-live&keep=100000 \
                        (only the host is required), or rediss:// for TLS";

/// The parsed URL of a log.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) client: Client,
    /// Host and port, without the password: safe to show in errors.
    pub(crate) host_and_port: String,
    pub(crate) prefix: String,
    pub(crate) keep: u64,
}

impl Address {
    /// Parses a URL.
    ///
    /// # Errors
    /// Returns an error for the first part that is wrong. The error never contains the password.
    pub(crate) fn parse(text: &str, options: &Options) -> Result<Self, RedisLogError> {
        let mut url =
            Url::parse(text).map_err(|error| url_error(format!("no URL ({error})"), URL_FORM))?;
        let after_host = [Some(url.path()), url.query(), url.fragment()];
        if after_host
            .into_iter()
            .flatten()
            .any(|part| part.contains('@'))
        {
            // The password contains `/`, `?` or `#`, so a part of it was parsed as something else.
            let instead = "%2F, %3F and %23 for /, ? and # in the password, and %40 for @ in the \
                           prefix";
            return Err(url_error(
                "there is an `@` after the host".to_owned(),
                instead,
            ));
        }
        let scheme = url.scheme();
        match scheme {
            "redis" => {}
            "rediss" if cfg!(feature = "tls") => install_crypto_provider(),
            "rediss" => {
                let instead = "the feature `tls` of rest-live-redis into Cargo.toml";
                return Err(url_error("TLS is not compiled in".to_owned(), instead));
            }
            _ => {
                return Err(url_error(
                    format!("`{scheme}://` is not a scheme of Redis"),
                    URL_FORM,
                ));
            }
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let Some(host) = host else {
            return Err(url_error("the host is missing".to_owned(), URL_FORM));
        };
        let host_and_port = format!("{host}:{}", url.port().unwrap_or(6379));
        let database = url.path().trim_start_matches('/');
        if !database.is_empty() && database.parse::<u32>().is_err() {
            let instead = "the number of a database, as in redis://host/0";
            return Err(url_error(
                format!("`{database}` is no database number"),
                instead,
            ));
        }
        if let Some(fragment) = url.fragment() {
            return Err(url_error(
                format!("the fragment `#{fragment}` has no meaning"),
                URL_FORM,
            ));
        }
        let (mut prefix, mut keep) = (DEFAULT_PREFIX.to_owned(), DEFAULT_KEEP);
        for (name, value) in url.query_pairs() {
            match &*name {
                "prefix" if !value.is_empty() => prefix = value.into_owned(),
                "prefix" => {
                    let instead = "prefix=shop, or leave it out";
                    return Err(url_error("the prefix is empty".to_owned(), instead));
                }
                "keep" => keep = parse_keep(&value)?,
                _ => {
                    let instead = "prefix=.. or keep=..";
                    return Err(url_error(
                        format!("there is no parameter `{name}`"),
                        instead,
                    ));
                }
            }
        }
        url.set_query(None);
        let client = client(url, options)?;
        Ok(Self {
            client,
            host_and_port,
            prefix,
            keep,
        })
    }
}

#[cfg(feature = "tls")]
fn client(url: Url, options: &Options) -> Result<Client, RedisLogError> {
    let Options {
        root_certificates,
        client_certificate,
    } = options;
    let wrong = |error: RedisError| url_error(error.to_string(), URL_FORM);
    if root_certificates.is_none() && client_certificate.is_none() {
        return Client::open(url).map_err(wrong);
    }
    if url.scheme() != "rediss" {
        let mistake = "certificates are set, but the URL is not one of TLS".to_owned();
        return Err(url_error(mistake, "rediss:// instead of redis://"));
    }
    if let Some(pem) = root_certificates
        && !String::from_utf8_lossy(pem).contains("-----BEGIN CERTIFICATE-----")
    {
        let mistake = "the root certificates contain no certificate".to_owned();
        let instead = "PEM: a text with `-----BEGIN CERTIFICATE-----`";
        return Err(url_error(mistake, instead));
    }
    let certificates = TlsCertificates {
        client_tls: client_certificate.clone(),
        root_cert: root_certificates.clone(),
    };
    Client::build_with_tls(url, certificates).map_err(wrong)
}

#[cfg(not(feature = "tls"))]
fn client(url: Url, _options: &Options) -> Result<Client, RedisLogError> {
    Client::open(url).map_err(|error| url_error(error.to_string(), URL_FORM))
}

fn parse_keep(value: &str) -> Result<u64, RedisLogError> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| {
        let instead = "the number of events, as in keep=100000";
        url_error(format!("`{value}` events cannot be kept"), instead)
    })
}

fn url_error(mistake: String, instead: &'static str) -> RedisLogError {
    RedisLogError::Url { mistake, instead }
}

/// Installs ring as the rustls provider unless the program has chosen one. The `redis` crate brings
/// no provider, and rustls would panic.
fn install_crypto_provider() {
    #[cfg(feature = "tls")]
    {
        // An error means that another thread was faster.
        _ = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_every_part_of_the_url() {
        let address = Address::parse(
            "redis://me:secret@redis.example:7000/3?prefix=shop&keep=500",
            &Options::default(),
        )
        .expect("the URL is valid");
        assert_eq!(address.host_and_port, "redis.example:7000");
        assert_eq!((&*address.prefix, address.keep), ("shop", 500));
        let settings = address
            .client
            .get_connection_info()
            .redis_settings()
            .clone();
        assert_eq!(settings.db(), 3);
        assert_eq!(settings.username(), Some("me"));
        assert_eq!(settings.password(), Some("secret"));

        let address =
            Address::parse("redis://localhost", &Options::default()).expect("the URL is valid");
        assert_eq!(address.host_and_port, "localhost:6379");
        assert_eq!(
            (&*address.prefix, address.keep),
            (DEFAULT_PREFIX, DEFAULT_KEEP)
        );
    }

    #[test]
    fn mistake_says_what_to_write() {
        for (url, mistake) in [
            ("localhost", "no URL"),
            ("http://localhost", "`http://`"),
            ("redis://localhost/shop", "`shop` is no database"),
            ("redis://localhost/-1", "`-1` is no database"),
            ("redis://localhost?prefx=shop", "`prefx`"),
            ("redis://localhost?prefix=", "prefix is empty"),
            ("redis://localhost?keep=0", "`0` events"),
            ("redis://localhost?keep=many", "`many` events"),
            ("redis://localhost#insecure", "`#insecure`"),
        ] {
            let error = Address::parse(url, &Options::default())
                .expect_err(url)
                .to_string();
            assert!(error.contains(mistake), "{url}: {error}");
            assert!(error.contains(": write "), "{url}: {error}");
        }
    }

    #[test]
    fn errors_never_contain_the_password() {
        for url in [
            "redis://me:1/secret@localhost",
            "redis://me:1?secret@localhost/0",
            "redis://me:1#secret@localhost",
            "redis://me:secret/1@localhost",
            "redis://secret/1:2@localhost",
        ] {
            let error = Address::parse(url, &Options::default()).expect_err(url);
            let error = format!("{error} {error:?}");
            assert!(!error.contains("secret"), "{url}: {error}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_requires_its_feature() {
        let error = Address::parse("rediss://localhost", &Options::default()).expect_err("no TLS");
        assert!(error.to_string().contains("the feature `tls`"), "{error}");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_installs_a_crypto_provider() {
        let address =
            Address::parse("rediss://localhost", &Options::default()).expect("the URL is valid");
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
        assert!(format!("{:?}", address.client).contains("TcpTls"));
    }
}
