//! Redis with TLS, whose certificate a private authority has signed.

use std::{path::Path, process::Command};

use rest_live_redis::{Options, RedisLog};
use rest_live_runtime::EventLog;
use tempfile::TempDir;

use super::{Redis, Watch, append, soon, states};
use crate::support::free_port;

/// An authority, and a certificate for `localhost` that it has signed, which the server and the
/// client use.
struct Certificates(TempDir);

impl Certificates {
    fn create() -> Self {
        let certificates = Self(tempfile::tempdir().unwrap());
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        for command in [
            &format!("req -x509 {key} -subj /CN=authority -keyout ca.key -out ca.pem"),
            &format!("req {key} -subj /CN=localhost -keyout key.pem -out request.pem"),
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile names.cnf -out certificate.pem",
        ] {
            let names = certificates.path("names.cnf");
            std::fs::write(names, "subjectAltName=DNS:localhost").unwrap();
            let output = Command::new("openssl")
                .args(command.split_whitespace())
                .current_dir(certificates.0.path())
                .output()
                .expect("openssl is missing: install the package `openssl`");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "openssl {command}: {stderr}");
        }
        certificates
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Returns options that trust the authority.
    fn trusted(&self) -> Options {
        RedisLog::options().root_certificates(self.read("ca.pem"))
    }

    /// Starts a server, and returns it with the port for TLS.
    async fn serve(&self, asks_clients: &str) -> (Redis, u16) {
        let port = free_port();
        let file = |path: &Path| path.display().to_string();
        let redis = Redis::start_with(&format!(
            "--save '' --tls-port {port} --tls-cert-file {} --tls-key-file {} \
             --tls-ca-cert-file {} --tls-auth-clients {asks_clients}",
            file(&self.path("certificate.pem")),
            file(&self.path("key.pem")),
            file(&self.path("ca.pem")),
        ))
        .await;
        (redis, port)
    }
}

fn url(host: &str, port: u16) -> String {
    format!("rediss://:{}@{host}:{port}/", Redis::ENCODED)
}

async fn refusal(options: Options, url: &str) -> String {
    let error = soon("an answer", options.connect(url)).await.unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

/// Appends events and receives them.
async fn works(log: &RedisLog) {
    let (mut tail, _) = Watch::begin(log).await;
    assert!(log.begin_writes().is_none(), "the connection is open");
    append(log, 1, 0..3).await;
    log.end_writes();
    assert_eq!(tail.events(3).await, states(1, 0..3));
    // Refreshes check that Redis executes the reports; else the connection is opened again.
    for _ in 0..2 {
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        assert!(log.begin_writes().is_none(), "the connection is open");
        log.end_writes();
    }
    soon("the departure", log.leave()).await;
}

#[tokio::test]
async fn private_authority_can_be_trusted() {
    let (certificates, others) = (Certificates::create(), Certificates::create());
    let (_redis, port) = certificates.serve("no").await;
    let named = url("localhost", port);
    let log = certificates.trusted().connect(&named);
    works(&soon("a connection", log).await.unwrap()).await;
    for options in [RedisLog::options(), others.trusted()] {
        let error = refusal(options, &named).await;
        assert!(error.contains("invalid peer certificate"), "{error}");
    }
    // The certificate does not name this host.
    let error = refusal(certificates.trusted(), &url("127.0.0.1", port)).await;
    assert!(error.contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn client_certificate_is_presented() {
    let certificates = Certificates::create();
    let (_redis, port) = certificates.serve("yes").await;
    let url = url("localhost", port);
    let error = refusal(certificates.trusted(), &url).await;
    assert!(error.starts_with("Redis cannot be used at "), "{error}");
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| certificates.read(name));
    let log = certificates
        .trusted()
        .client_certificate(certificate, key)
        .connect(&url);
    works(&soon("a connection", log).await.unwrap()).await;
}

#[tokio::test]
async fn useless_certificates_are_an_error() {
    let certificates = Certificates::create();
    let error = refusal(certificates.trusted(), "redis://localhost/").await;
    assert!(error.contains("write rediss:// instead"), "{error}");
    let text = RedisLog::options().root_certificates("a certificate");
    let error = refusal(text, "rediss://localhost/").await;
    assert!(error.contains("BEGIN CERTIFICATE"), "{error}");
    let key = certificates.read("ca.pem");
    let options = certificates
        .trusted()
        .client_certificate(certificates.read("certificate.pem"), key);
    let error = refusal(options, "rediss://localhost/").await;
    assert!(error.contains("private key"), "{error}");
}
