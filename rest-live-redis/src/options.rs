//! [`Options`]: how a log connects, beyond its URL.

use crate::{error::RedisLogError, log::RedisLog};

/// How a log connects, beyond its URL. [`RedisLog::options`] creates it.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # #[cfg(feature = "tls")]
/// let log = rest_live_redis::RedisLog::options()
///     .root_certificates(std::fs::read("/etc/ssl/redis-ca.pem")?)
///     .connect("rediss://:password@redis.internal:6380/")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until `connect`"]
pub struct Options {
    #[cfg(feature = "tls")]
    pub(crate) root_certificates: Option<Vec<u8>>,
    #[cfg(feature = "tls")]
    pub(crate) client_certificate: Option<redis::ClientTlsConfig>,
}

impl Options {
    /// Sets the certificate authorities, in PEM, that may sign the certificate of the server.
    /// Default: those that the operating system trusts, which are not used if this is set.
    ///
    /// Needed for a private authority, and for a certificate that the server has signed itself. The
    /// certificate must name the host of the URL in any case.
    #[cfg(feature = "tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates = Some(pem.into());
        self
    }

    /// Sets the certificate of this client with the certificates that lead to its authority, and
    /// its private key, both in PEM. Default: none. Needed if the server asks for one
    /// (`tls-auth-clients yes`, the default of `redis-server`).
    #[cfg(feature = "tls")]
    pub fn client_certificate(
        mut self,
        certificate_pem: impl Into<Vec<u8>>,
        key_pem: impl Into<Vec<u8>>,
    ) -> Self {
        self.client_certificate = Some(redis::ClientTlsConfig {
            client_cert: certificate_pem.into(),
            client_key: key_pem.into(),
        });
        self
    }

    /// Connects to a server, as [`RedisLog::connect`] does.
    ///
    /// # Errors
    /// [`RedisLogError`] as for [`RedisLog::connect`], and if a certificate or key is not PEM.
    pub async fn connect(self, url: &str) -> Result<RedisLog, RedisLogError> {
        RedisLog::connect_with(url, &self).await
    }
}
