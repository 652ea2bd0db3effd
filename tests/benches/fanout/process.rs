//! The processes that this one starts: the same program with other arguments. They end when this one lets go of them.

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

/// Linux says how long in these.
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

    /// Returns the next line that it says.
    ///
    /// # Panics
    /// Where it has ended instead: it has said why.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "a process of the bench has ended");
        line.trim_end().to_owned()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> T {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn tell(&mut self, what: &impl Serialize) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{}", serde_json::to_string(what).unwrap()).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
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

    /// Has it publish from now on.
    pub fn publish(&mut self, load: &Load) {
        self.process.tell(load);
    }

    /// Returns the processor time that it has used, in user space and in the kernel.
    pub fn used(&self) -> Duration {
        let stat = self.process.read("stat");
        // Its name, in parentheses, may hold anything; the state is the third field, these are the 14th and the 15th.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let times = fields.split(' ').skip(11).take(2);
        let ticks: u32 = times.map(|ticks| ticks.parse::<u32>().unwrap()).sum();
        Duration::from_secs(1) * ticks / TICKS_PER_SECOND
    }

    /// Returns how long its threads were ready to run, and somebody else ran on their core.
    pub fn waited(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.child.id())).unwrap();
        let waited = threads.map(|thread| {
            // A thread of tokio's that has ended meanwhile, or a kernel that does not say.
            let of = fs::read_to_string(thread.unwrap().path().join("schedstat"));
            let waited = of.ok()?.split(' ').nth(1)?.parse().ok()?;
            Some(Duration::from_nanos(waited))
        });
        waited.flatten().sum()
    }

    /// Returns the memory that it has, in KiB.
    pub fn resident(&self) -> f64 {
        rest_live_benches::resident(&self.process.read("status")) as f64
    }
}

pub struct Client(Process);

impl Client {
    /// Returns the client whose connections are all subscribed.
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
        self.0.tell(expected);
    }

    pub fn report(&mut self) -> Report {
        self.0.answer()
    }
}
