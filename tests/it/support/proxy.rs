//! A proxy in a process of its own, in front of a server of the test.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use tempfile::TempDir;

use super::{DEADLINE, TICK, free_port};

pub struct Proxy {
    pub addr: SocketAddr,
    child: Child,
    /// The last field, so that it is dropped after the process.
    _folder: TempDir,
}

impl Proxy {
    /// Starts a program that listens on a free port, with files in a folder. `command` writes the
    /// files and returns the program. `is_ready` asks the proxy for its server: another process may
    /// have taken the port.
    pub async fn start(
        folder: TempDir,
        command: impl Fn(&Path, u16) -> Command,
        is_ready: impl AsyncFn(SocketAddr) -> bool,
    ) -> Self {
        let deadline = Instant::now() + DEADLINE;
        let log = folder.path().join("log");
        loop {
            let port = free_port();
            let program = command(folder.path(), port);
            // With `setpriv`, the proxy ends with the thread that starts it, even if the test is
            // killed.
            let mut child = Command::new("setpriv")
                .args(["--pdeathsig", "KILL", "--"])
                .arg(program.get_program())
                .args(program.get_args())
                .envs(
                    program
                        .get_envs()
                        .filter_map(|(name, value)| Some((name, value?))),
                )
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(fs::File::create(&log).unwrap())
                .stderr(fs::File::options().append(true).open(&log).unwrap())
                .spawn()
                .unwrap();
            let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
                if is_ready(addr).await {
                    return Self {
                        addr,
                        child,
                        _folder: folder,
                    };
                }
                tokio::time::sleep(TICK).await;
            }
            _ = child.kill();
            _ = child.wait();
            let log = fs::read_to_string(&log).unwrap_or_default();
            let is_port_in_use = log.to_lowercase().contains("in use");
            assert!(
                is_port_in_use && Instant::now() < deadline,
                "{program:?} does not start; `cargo xtask test` installs it:\n{log}"
            );
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
