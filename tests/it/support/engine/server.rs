//! A server of a test's own: a process, a port of 127.0.0.1, a temporary folder.

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

/// What every server's log says when it has not got its port.
const OCCUPIED: &str = "Address already in use";

pub(super) struct Server {
    product: &'static dyn Product,
    port: u16,
    /// None after a kill. Locked for moments: what a start waits for is in hands of its own.
    process: Mutex<Option<Process>>,
    /// Last, since it goes when the process has.
    folder: TempDir,
}

/// A process, and all that it starts.
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
            // Between the look and the start, another may take it.
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
                Err(log) => panic!("{} does not start:\n{log}", product.server()),
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
                // Whoever borrowed the port gives it back.
                Err(log) if log.contains(OCCUPIED) && Instant::now() < deadline => {
                    tokio::time::sleep(TICK).await;
                }
                Err(log) => panic!("{} does not start again:\n{log}", self.product.server()),
            }
        };
        *self.process.lock().unwrap() = Some(process);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that panicked has poisoned nothing that matters here.
        let process = self.process.get_mut().unwrap_or_else(|e| e.into_inner());
        drop(process.take());
        self.product.forget(&data(&self.folder));
    }
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

/// Starts a process and waits until it serves this data on this port.
///
/// # Errors
/// The log of the server, if it has ended or does not answer in time.
async fn launch(
    product: &'static dyn Product,
    folder: &TempDir,
    port: u16,
) -> Result<Process, String> {
    let data = data(folder);
    let log = folder.path().join("log");
    let child = product::command(product, product.server(), &data)
        .args(product.serving(&data, port))
        .stdin(Stdio::null())
        // Never written to. It closes when the last process of the server is gone.
        .stdout(Stdio::piped())
        .stderr(File::create(&log).unwrap())
        // Not on another thread: `setpriv` has the server die with the one that starts it.
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
            return Err(format!("no answer within {DEADLINE:?}\n{log}"));
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Asks the server which data it serves: on a port that was taken in the meantime, another test's answers.
async fn is_serving(product: &dyn Product, data: &Path, port: u16) -> bool {
    // sqlx would try again, for seconds, without a look at the process.
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
    let whereabouts = async {
        let db = Box::pin(Database::connect(options)).await?;
        let question = Statement::from_string(db.get_database_backend(), product.whereabouts());
        let row = db.query_one_raw(question).await?;
        let answer: String = row
            .ok_or_else(|| DbErr::RecordNotFound(product.whereabouts().to_owned()))?
            .try_get_by_index(0)?;
        db.close().await?;
        Ok::<_, DbErr>(answer)
    };
    let served = whereabouts.await.ok().map(fs::canonicalize);
    served.is_some_and(|served| served.ok() == fs::canonicalize(data).ok())
}

impl Process {
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Ends it by a signal, by SIGKILL if that does not do, and waits until all of it is gone. For moments,
    /// so that it may block: a drop cannot do otherwise.
    fn end(&mut self, signal: &str) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let pid = self.child.id().to_string();
            _ = Command::new("kill").args(["-s", signal, &pid]).status();
        }
        if !self.is_gone() {
            _ = self.child.kill();
        }
        _ = self.child.wait();
    }

    /// Waits until the server and all that it has started hold their output no more.
    fn is_gone(&mut self) -> bool {
        let Some(mut stdout) = self.child.stdout.take() else {
            return true;
        };
        let (gone, is_gone) = mpsc::channel();
        thread::spawn(move || {
            _ = stdout.read_to_end(&mut Vec::new());
            _ = gone.send(());
        });
        is_gone.recv_timeout(DEADLINE).is_ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(self.product.end());
    }
}
