use std::{fs, path::Path, process::Command};

use super::{Backend, Browser, assert_live, guide, replaced};
use crate::support::Proxy;

#[tokio::test]
async fn site_of_the_guide_is_live() {
    let backend = Backend::start(|builder| builder).await;
    let site = guide("caddyfile", 0);
    let site = replaced(site, "127.0.0.1:3030", &backend.addr.to_string());
    let command = |folder: &Path, port: u16| {
        // Without a certificate.
        let site = replaced(
            &site,
            "app.example.com",
            &format!("http://app.example.com:{port}"),
        );
        let file = folder.join("Caddyfile");
        fs::write(&file, format!("{{\n\tadmin off\n}}\n{site}")).unwrap();
        let mut command = Command::new("/usr/bin/caddy");
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(file);
        command
            .env("XDG_DATA_HOME", folder)
            .env("XDG_CONFIG_HOME", folder);
        command
    };
    let is_ready = async |addr| backend.is_behind(addr, "app.example.com").await;
    let proxy = Proxy::start(tempfile::tempdir().unwrap(), command, is_ready).await;
    assert_live(&backend, &Browser::of(proxy.addr, "app.example.com")).await;
}
