//! An example in a process of its own, as `cargo run --example ..` starts it.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use reqwest::{Method, Response, header::COOKIE};
use serde_json::Value;

use super::{Client, soon};

pub struct Example {
    pub child: Child,
    pub addr: String,
    http: reqwest::Client,
}

impl Example {
    /// Returns the path of the program, which every build of the tests also builds.
    pub fn program(name: &str) -> PathBuf {
        // From .../target/debug/deps/it-0123 to .../target/debug/examples/todolist.
        let test = std::env::current_exe().unwrap();
        let program = test.ancestors().nth(2).unwrap().join("examples").join(name);
        assert!(
            program.exists(),
            "{} is missing: run `cargo build --example {name}` first",
            program.display()
        );
        program
    }

    pub async fn start(name: &str) -> Self {
        Self::start_with(name, |command| command).await
    }

    pub async fn start_with(
        name: &str,
        settings: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let mut command = Command::new(Self::program(name));
        command
            .env(format!("{}_ADDR", name.to_uppercase()), "127.0.0.1:0")
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped());
        let mut child = settings(&mut command).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let line = soon(
            "the line `listening on`",
            tokio::task::spawn_blocking(move || {
                let mut line = String::new();
                BufReader::new(stdout).read_line(&mut line).map(|_| line)
            }),
        );
        let line = line.await.unwrap().unwrap();
        let addr = line
            .strip_prefix("listening on http://")
            .unwrap_or_else(|| panic!("expected `listening on`, received {line:?}"))
            .trim_end()
            .to_owned();
        Self {
            child,
            addr,
            // The next request must not use a connection that the server has closed.
            http: reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .build()
                .unwrap(),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub fn websocket(&self) -> String {
        format!("ws://{}/ws/subscribe/", self.addr)
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.websocket()).await
    }

    /// Sends a request, and returns the status and the body of the response (`Null` if it is
    /// empty).
    pub async fn http(
        &self,
        method: &str,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> (u16, Value) {
        read(self.send(method, path, "", body).await).await
    }

    /// Sends a request with cookies; an empty string sends none.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        cookies: &str,
        body: impl Into<reqwest::Body>,
    ) -> Response {
        let method: Method = method.parse().unwrap();
        let mut request = self.http.request(method, self.url(path)).body(body);
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        soon("a response", request.send()).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &str) -> Value {
        let (status, json) = self.http("POST", path, body.to_owned()).await;
        assert_eq!(status, 201, "POST {path} {body}: {json}");
        json
    }

    /// Sends a signal by its name, and waits until the program ends.
    pub async fn end(mut self, signal: &str) -> std::process::ExitStatus {
        self.signal(signal);
        soon("the end of the program", async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(super::TICK).await;
            }
        })
        .await
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args(["-s", signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

/// Returns the status and the body of a response. An empty body is `Null`, and one that is not JSON
/// is a string.
pub async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.text().await.unwrap();
    let json = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&body).unwrap_or(Value::String(body))
    };
    (status, json)
}

impl Drop for Example {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
