//! The processes that the bench starts: the same program with other arguments. A process ends when
//! its handle is dropped.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    client::{Expected, Plan, Report},
    load::Load,
    servers::Variant,
};

/// The unit of processor time in `/proc` on Linux.
const TICKS_PER_SECOND: u32 = 100;

/// A process that answers lines with lines.
pub struct Process {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program with these arguments.
    pub fn start(args: [&str; 2]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// Returns the next line that the process prints.
    ///
    /// # Panics
    /// Panics if the process has ended. It has printed the reason.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "a process of the bench has ended");
        line.trim_end().to_owned()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> T {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn send(&mut self, message: &impl Serialize) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{}", serde_json::to_string(message).unwrap()).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

pub struct Server {
    process: Process,
    variant: Variant,
    address: String,
}

impl Server {
    pub fn start(variant: Variant) -> Self {
        let mut process = Process::start(["server", variant.name()]);
        let address = process.line();
        Self {
            process,
            variant,
            address,
        }
    }

    /// Starts to publish a load.
    pub fn publish(&mut self, load: &Load) {
        self.process.send(load);
    }

    /// Returns the processor time that the server has used, in user space and in the kernel.
    pub fn used(&self) -> Duration {
        let stat = self.process.read("stat");
        // The name is in parentheses and may contain anything. The state after it is the third
        // field; the times are the 14th and the 15th.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let times = fields.split(' ').skip(11).take(2);
        let ticks: u32 = times.map(|ticks| ticks.parse::<u32>().unwrap()).sum();
        Duration::from_secs(1) * ticks / TICKS_PER_SECOND
    }

    /// Returns how long its threads were ready to run while another program had their core.
    pub fn waited(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.child.id())).unwrap();
        let waited = threads.map(|thread| {
            // A thread of tokio may have ended meanwhile, and some kernels do not report it.
            let schedstat = fs::read_to_string(thread.unwrap().path().join("schedstat"));
            let waited = schedstat.ok()?.split(' ').nth(1)?.parse().ok()?;
            Some(Duration::from_nanos(waited))
        });
        waited.flatten().sum()
    }

    /// Returns the resident memory of the server, in KiB.
    pub fn resident(&self) -> f64 {
        rest_live_benches::resident(&self.process.read("status")) as f64
    }
}

pub struct Client(Process);

impl Client {
    /// Starts the client, and returns when all its connections are subscribed.
    pub fn connect(server: &Server, groups: i32, subscribers: usize) -> Self {
        let plan = Plan {
            address: server.address.clone(),
            model: server.variant.model().to_owned(),
            groups,
            subscribers,
        };
        let plan = serde_json::to_string(&plan).unwrap();
        let mut process = Process::start(["client", &plan]);
        let connected: usize = process.answer();
        assert_eq!(connected, groups as usize * subscribers);
        Self(process)
    }

    pub fn expect(&mut self, expected: &Expected) {
        self.0.send(expected);
    }

    pub fn report(&mut self) -> Report {
        self.0.answer()
    }
}
