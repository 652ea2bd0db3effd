use std::{fs, path::Path, process::Command};

use futures_util::StreamExt;
use rest_live::Limits;
use tokio_tungstenite::tungstenite::Message;

use super::{Backend, Browser, assert_live, assert_refused, frequent_pings, guide, replaced};
use crate::support::{Proxy, soon};

/// What surrounds a file in `/etc/nginx/conf.d`. Nothing is written outside the folder.
const FRAME: &str = "
    daemon off; master_process off; pid pid; error_log stderr;
    events {}
    http {
        access_log off;
        client_body_temp_path body; proxy_temp_path proxy;
        fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
        SITE
    }";

async fn start(backend: &Backend, site: &str) -> Proxy {
    let site = replaced(site, "127.0.0.1:3030", &backend.addr.to_string());
    let command = |folder: &Path, port: u16| {
        let site = replaced(&site, "listen 80;", &format!("listen 127.0.0.1:{port};"));
        let file = folder.join("nginx.conf");
        fs::write(&file, FRAME.replace("SITE", &site)).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(folder).arg("-c").arg(file);
        command
    };
    let folder = tempfile::tempdir().unwrap();
    let is_ready = async |addr| backend.is_behind(addr, "app.example.com").await;
    Proxy::start(folder, command, is_ready).await
}

/// What most people write first.
fn bare() -> String {
    let site = guide("nginx", 0);
    let is_bare = |line: &&str| !line.contains("proxy_set_header Host");
    site.lines().filter(is_bare).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn site_of_the_guide_is_live() {
    let backend = Backend::start(|builder| builder).await;
    let proxy = start(&backend, guide("nginx", 0)).await;
    assert_live(&backend, &Browser::of(proxy.addr, "app.example.com")).await;
}

#[tokio::test]
async fn changed_host_is_refused_until_allowed() {
    let backend = Backend::start(|builder| builder).await;
    let proxy = start(&backend, &bare()).await;
    let browser = Browser::of(proxy.addr, "app.example.com");
    let origin = "https://app.example.com";
    let body = assert_refused(&browser, origin).await;
    assert!(
        body.contains(&format!("Host: \"{}\"", backend.addr)),
        "{body}"
    );
    assert!(
        body.contains(&format!(".allowed_origins([{origin:?}])")),
        "{body}"
    );

    let backend = Backend::start(|builder| builder.allowed_origins([origin])).await;
    let proxy = start(&backend, &bare()).await;
    let browser = Browser::of(proxy.addr, "app.example.com");
    assert_eq!(browser.handshake(origin).await.0, 101);
    assert_refused(&browser, "https://evil.example").await;
}

#[tokio::test]
async fn forwarded_host_is_live_if_trusted() {
    let site = replaced(
        guide("nginx", 0),
        "        proxy_set_header Host $http_host;",
        guide("nginx", 1).trim_end(),
    );
    let distrusting = Backend::start(|builder| builder).await;
    let proxy = start(&distrusting, &site).await;
    let browser = Browser::of(proxy.addr, "app.example.com");
    let body = assert_refused(&browser, &browser.origin()).await;
    assert!(body.contains("Host: \"tasks.internal\""), "{body}");
    assert!(body.contains(".trust_forwarded_host(true)"), "{body}");

    let trusting = Backend::start(|builder| builder.trust_forwarded_host(true)).await;
    let proxy = start(&trusting, &site).await;
    assert_live(&trusting, &Browser::of(proxy.addr, "app.example.com")).await;
}

/// nginx closes a connection on which the server sends nothing for `proxy_read_timeout`.
#[tokio::test]
async fn pings_keep_an_idle_connection_open() {
    let site = replaced(
        guide("nginx", 0),
        "proxy_read_timeout 60s",
        "proxy_read_timeout 1s",
    );
    let backend = Backend::start(|builder| builder.limits(frequent_pings())).await;
    let proxy = start(&backend, &site).await;
    let mut client = Browser::of(proxy.addr, "app.example.com").open().await;
    let mut pings = 0;
    // Three times the timeout.
    while pings < 12 {
        match soon("a ping", client.socket.next()).await {
            Some(Ok(Message::Ping(_))) => pings += 1,
            Some(Ok(Message::Text(_))) => {}
            other => panic!("after {pings} pings: {other:?}"),
        }
    }

    let silent = Limits::default().ping_interval(None);
    let backend = Backend::start(|builder| builder.limits(silent)).await;
    let proxy = start(&backend, &site).await;
    let mut client = Browser::of(proxy.addr, "app.example.com").open().await;
    assert_eq!(client.json().await["type"], "hello");
    let end = soon("the end of the connection", client.socket.next()).await;
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
}
