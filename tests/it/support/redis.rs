//! A Redis server for one test: a process, a port of 127.0.0.1 and a temporary folder.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisResult};
use tempfile::TempDir;

use super::{DEADLINE, TICK, free_port};

pub struct Redis {
    port: u16,
    options: Vec<String>,
    /// `None` after a kill.
    process: Mutex<Option<Process>>,
    /// The last field, so that it is dropped after the process.
    folder: TempDir,
}

struct Process(Child);

impl Redis {
    /// The password of every server.
    pub const PASSWORD: &str = "p@ss:w/rd";
    /// The password as it is encoded in a URL.
    pub const ENCODED: &str = "p%40ss%3Aw%2Frd";

    /// Starts a server that writes nothing to the disk.
    pub async fn start() -> Self {
        Self::start_with("--save '' --appendonly no").await
    }

    /// Starts a server that flushes each write to the disk before it replies.
    pub async fn start_durable() -> Self {
        Self::start_with("--save '' --appendonly yes --appendfsync always").await
    }

    /// Starts a server with options, which are separated by spaces.
    pub async fn start_with(options: &str) -> Self {
        let options = options.split(' ').map(|option| option.replace("''", ""));
        let mut redis = Self {
            port: 0,
            options: options.collect(),
            process: Mutex::default(),
            folder: tempfile::tempdir().unwrap(),
        };
        let deadline = Instant::now() + DEADLINE;
        loop {
            // Another process may take the port before the server starts.
            redis.port = free_port();
            match redis.launch().await {
                Ok(()) => return redis,
                Err(log) if log.contains("in use") && Instant::now() < deadline => {}
                Err(log) => panic!("redis-server does not start:\n{log}"),
            }
        }
    }

    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}/", Self::ENCODED, self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server with SIGKILL, and waits until it has ended.
    pub fn kill(&self) {
        let process = self.process.lock().unwrap().take();
        drop(process);
    }

    /// Starts the server again after a kill, with the same port and folder.
    pub async fn restart(&self) {
        let deadline = Instant::now() + DEADLINE;
        while let Err(log) = self.launch().await {
            let is_port_in_use = log.contains("in use") && Instant::now() < deadline;
            assert!(is_port_in_use, "redis-server does not start again:\n{log}");
            tokio::time::sleep(TICK).await;
        }
    }

    /// Pauses the server, so that it does not reply.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Resumes the server after [`Redis::pause`].
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.lock().unwrap();
        let pid = process.as_ref().unwrap().0.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Sends a command, whose words are separated by spaces, on a new connection.
    pub async fn ask<T: FromRedisValue>(&self, words: &str) -> T {
        self.try_ask(words).await.unwrap()
    }

    async fn try_ask<T: FromRedisValue>(&self, words: &str) -> RedisResult<T> {
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        let config =
            AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(5)));
        let client = Client::open(self.url())?;
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        command.query_async(&mut connection.await?).await
    }

    /// Starts the process and waits until it serves this folder on this port.
    async fn launch(&self) -> Result<(), String> {
        // With `setpriv`, the server ends with the thread that starts it, even if the test is
        // killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "redis-server"])
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--requirepass", Self::PASSWORD, "--logfile", "log", "--dir"])
            .arg(self.folder.path())
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Process(child);
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = process.0.try_wait().unwrap() {
                return Err(format!("{status}\n{}", self.log()));
            }
            let folder: RedisResult<(String, String)> = self.try_ask("CONFIG GET dir").await;
            let folder = folder.map(|(_, folder)| Path::new(&folder).canonicalize());
            if folder.is_ok_and(|folder| folder.ok() == self.folder.path().canonicalize().ok()) {
                *self.process.lock().unwrap() = Some(process);
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("no reply within {DEADLINE:?}\n{}", self.log()));
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
