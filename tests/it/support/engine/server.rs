//! A database server for one test: a process, a port of 127.0.0.1 and a temporary folder.

use std::{
    fs::{self, File},
    io::Read,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr, Statement};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{
    pristine,
    product::{self, Product},
};
use crate::support::{DEADLINE, TICK, free_port};

/// Text in the log of every server whose port is in use.
const OCCUPIED: &str = "Address already in use";

pub(super) struct Server {
    product: &'static dyn Product,
    port: u16,
    /// `None` after a kill. The lock is held only briefly; a start waits without it.
    process: Mutex<Option<Process>>,
    /// The last field, so that it is dropped after the process.
    folder: TempDir,
}

/// A process, and the processes that it starts.
struct Process {
    product: &'static dyn Product,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a server on fresh data and a free port.
    pub(super) async fn start(product: &'static dyn Product) -> Self {
        let folder = pristine::folder(product);
        pristine::copy(product, &data(&folder));
        let deadline = Instant::now() + DEADLINE;
        loop {
            // Another process may take the port before the server starts.
            let port = free_port();
            match launch(product, &folder, port).await {
                Ok(process) => {
                    return Self {
                        product,
                        port,
                        process: Mutex::new(Some(process)),
                        folder,
                    };
                }
                Err(log) if log.contains(OCCUPIED) && Instant::now() < deadline => {}
                Err(log) => panic!("{} does not start:\n{log}", product.server_program()),
            }
        }
    }

    pub(super) fn url(&self) -> String {
        self.product.url(self.port)
    }

    pub(super) fn kill(&self) {
        let process = self.process.lock().unwrap().take();
        if let Some(mut process) = process {
            process.end("KILL");
        }
    }

    pub(super) async fn restart(&self) {
        self.kill();
        let deadline = Instant::now() + DEADLINE;
        let process = loop {
            match launch(self.product, &self.folder, self.port).await {
                Ok(process) => break process,
                // Another test uses the port for a moment.
                Err(log) if log.contains(OCCUPIED) && Instant::now() < deadline => {
                    tokio::time::sleep(TICK).await;
                }
                Err(log) => panic!(
                    "{} does not start again:\n{log}",
                    self.product.server_program()
                ),
            }
        };
        *self.process.lock().unwrap() = Some(process);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A panic in another thread does not make the process invalid.
        let process = self.process.get_mut().unwrap_or_else(|e| e.into_inner());
        drop(process.take());
        self.product.clean_up(&data(&self.folder));
    }
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

/// Starts a process and waits until it serves this data on this port.
///
/// # Errors
/// Returns the log of the server if it has ended or does not reply in time.
async fn launch(
    product: &'static dyn Product,
    folder: &TempDir,
    port: u16,
) -> Result<Process, String> {
    let data = data(folder);
    let log = folder.path().join("log");
    let child = product::command(product, product.server_program(), &data)
        .args(product.server_arguments(&data, port))
        .stdin(Stdio::null())
        // The server never writes to it. It closes when the last process of the server has ended.
        .stdout(Stdio::piped())
        .stderr(File::create(&log).unwrap())
        // Not on another thread: with `setpriv`, the server ends with the thread that starts it.
        .spawn()
        .unwrap();
    let mut process = Process {
        product,
        child,
        log,
    };
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = process.child.try_wait().unwrap() {
            return Err(format!("{status}\n{}", process.log()));
        }
        if is_serving(product, &data, port).await {
            return Ok(process);
        }
        if Instant::now() > deadline {
            let log = process.log();
            return Err(format!("no reply within {DEADLINE:?}\n{log}"));
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Returns whether the server on this port serves this data. If another test took the port in the
/// meantime, its server replies.
async fn is_serving(product: &dyn Product, data: &Path, port: u16) -> bool {
    // sqlx would retry for seconds, without checking whether the process has ended.
    if TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .is_err()
    {
        return false;
    }
    let mut options = ConnectOptions::new(product.url(port));
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(2))
        .sqlx_logging(false);
    let data_folder = async {
        let db = Box::pin(Database::connect(options)).await?;
        let query = Statement::from_string(db.get_database_backend(), product.data_folder_query());
        let row = db.query_one_raw(query).await?;
        let path: String = row
            .ok_or_else(|| DbErr::RecordNotFound(product.data_folder_query().to_owned()))?
            .try_get_by_index(0)?;
        db.close().await?;
        Ok::<_, DbErr>(path)
    };
    let served = data_folder.await.ok().map(fs::canonicalize);
    served.is_some_and(|served| served.ok() == fs::canonicalize(data).ok())
}

impl Process {
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Ends the process with this signal, or with SIGKILL if that has no effect, and waits until
    /// its child processes have also ended. It blocks briefly, because `Drop` cannot await.
    fn end(&mut self, signal: &str) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let pid = self.child.id().to_string();
            _ = Command::new("kill").args(["-s", signal, &pid]).status();
        }
        if !self.wait_for_exit() {
            _ = self.child.kill();
        }
        _ = self.child.wait();
    }

    /// Waits until the server and its child processes have closed their output. Returns whether
    /// they did so in time.
    fn wait_for_exit(&mut self) -> bool {
        let Some(mut stdout) = self.child.stdout.take() else {
            return true;
        };
        let (sender, closed) = mpsc::channel();
        thread::spawn(move || {
            _ = stdout.read_to_end(&mut Vec::new());
            _ = sender.send(());
        });
        closed.recv_timeout(DEADLINE).is_ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(self.product.end_signal());
    }
}
