//! The processes that the bench starts: the same program with other arguments. A process ends when
//! its handle is dropped.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

/// The unit of processor time in `/proc` on Linux.
const TICKS_PER_SECOND: u32 = 100;

/// A process that answers with lines of JSON.
pub struct Process {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program in a role, with a plan.
    pub fn start(role: &str, plan: &impl Serialize) -> Self {
        let plan = serde_json::to_string(plan).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([role, &plan]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// Returns the next answer of the process.
    ///
    /// # Panics
    /// Panics if the process has ended. It has printed the reason.
    pub fn answer<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "a process of the bench has ended");
        serde_json::from_str(&line).unwrap()
    }

    /// Asks the process to end, and waits until it has.
    pub fn end(mut self) {
        let mut input = self.child.stdin.take().unwrap();
        writeln!(input, "end").unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Returns the processor time that the process has used, in user space and in the kernel.
    pub fn used(&self) -> Duration {
        let stat = self.read("stat");
        // The name is in parentheses and may contain anything. The state after it is the third
        // field; the times are the 14th and the 15th.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let times = fields.split(' ').skip(11).take(2);
        let ticks: u32 = times.map(|ticks| ticks.parse::<u32>().unwrap()).sum();
        Duration::from_secs(1) * ticks / TICKS_PER_SECOND
    }

    /// Returns how long its threads were ready to run while another program had their core.
    pub fn waited(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let waited = threads.map(|thread| {
            // A thread of tokio may have ended meanwhile, and some kernels do not report it.
            let schedstat = fs::read_to_string(thread.unwrap().path().join("schedstat"));
            let waited = schedstat.ok()?.split(' ').nth(1)?.parse().ok()?;
            Some(Duration::from_nanos(waited))
        });
        waited.flatten().sum()
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
