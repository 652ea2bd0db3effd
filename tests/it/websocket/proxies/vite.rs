use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Backend, Browser, assert_live, assert_refused, guide, replaced};
use crate::support::{Chromium, Proxy, soon};

/// Returns the folder into which `cargo xtask test` installs `tests/npm/package-lock.json`.
fn installed() -> PathBuf {
    // From .../target/debug/deps/it-0123 to .../target/npm.
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(3).unwrap().join("npm");
    assert!(
        folder.join("node_modules/vite").exists(),
        "Vite is missing: run `cargo xtask test`, or copy tests/npm/*.json to {0} and run `npm ci --prefix {0}`",
        folder.display()
    );
    folder
}

async fn start(backend: &Backend, config: &str) -> Proxy {
    let config = replaced(config, "127.0.0.1:3030", &backend.addr.to_string());
    let installed = installed();
    // Below `node_modules`, from where the configuration imports Vite.
    let folder = tempfile::tempdir_in(&installed).unwrap();
    let command = |folder: &Path, port: u16| {
        fs::write(folder.join("vite.config.js"), &config).unwrap();
        fs::write(folder.join("index.html"), "<title>a page</title>").unwrap();
        let mut command = Command::new("node");
        command
            .arg(installed.join("node_modules/vite/bin/vite.js"))
            .args(["--host", "127.0.0.1", "--strictPort", "--port"])
            .arg(port.to_string());
        command
    };
    let is_ready = async |addr: std::net::SocketAddr| {
        backend
            .is_behind(addr, &format!("localhost:{}", addr.port()))
            .await
    };
    Proxy::start(folder, command, is_ready).await
}

#[tokio::test]
async fn config_of_the_guide_is_live() {
    let backend = Backend::start(|builder| builder).await;
    let proxy = start(&backend, guide("js", 0)).await;
    let browser = Browser::of(proxy.addr, "localhost");
    assert_live(&backend, &browser).await;

    // A real page of Vite, with the line of the guide.
    let chromium = Chromium::launch().await;
    let page = chromium.page(&format!("{}/", browser.origin())).await;
    let line = "new WebSocket(`ws://${location.host}/ws/subscribe`)";
    assert!(super::GUIDE.contains(line));
    let script = format!(
        "new Promise(done => {{
            const socket = {line};
            socket.onopen = () => done('open');
            socket.onclose = event => done(event.code);
        }})"
    );
    let opened = soon("the websocket", page.evaluate(script)).await.unwrap();
    assert_eq!(opened.into_value::<serde_json::Value>().unwrap(), "open");
    chromium.close().await;
}

/// The short form of Vite sets `changeOrigin`, which changes the host.
#[tokio::test]
async fn short_form_needs_an_allowed_origin() {
    let short = replaced(
        guide("js", 0),
        "{ target: \"http://127.0.0.1:3030\", ws: true }",
        "\"ws://127.0.0.1:3030\"",
    );
    let backend = Backend::start(|builder| builder).await;
    let proxy = start(&backend, &short).await;
    let browser = Browser::of(proxy.addr, "localhost");
    let body = assert_refused(&browser, &browser.origin()).await;
    assert!(
        body.contains(&format!("Host: \"{}\"", backend.addr)),
        "{body}"
    );
    assert!(
        body.contains(&format!(".allowed_origins([{:?}])", browser.origin())),
        "{body}"
    );

    let page = "http://localhost:5173";
    let backend = Backend::start(|builder| builder.allowed_origins([page])).await;
    let proxy = start(&backend, &short).await;
    let browser = Browser::of(proxy.addr, "localhost");
    assert_eq!(browser.handshake(page).await.0, 101);
    assert_refused(&browser, &browser.origin()).await;
}
