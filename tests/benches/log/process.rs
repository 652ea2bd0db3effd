//! The processes that this one starts: the same program with other arguments. They end when this one lets go of them.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

/// Linux says how long in these.
const TICKS_PER_SECOND: u32 = 100;

/// A process that answers in lines.
pub struct Process {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program as something, with a plan.
    pub fn start(what: &str, plan: &impl Serialize) -> Self {
        let plan = serde_json::to_string(plan).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([what, &plan]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// Returns its next answer.
    ///
    /// # Panics
    /// Where it has ended instead: it has said why.
    pub fn answer<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "a process of the bench has ended");
        serde_json::from_str(&line).unwrap()
    }

    /// Has it end by itself, and waits for that.
    pub fn end(mut self) {
        let mut input = self.child.stdin.take().unwrap();
        writeln!(input, "end").unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Returns the processor time that it has used, in user space and in the kernel.
    pub fn used(&self) -> Duration {
        let stat = self.read("stat");
        // Its name, in parentheses, may hold anything; the state is the third field, these are the 14th and the 15th.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let times = fields.split(' ').skip(11).take(2);
        let ticks: u32 = times.map(|ticks| ticks.parse::<u32>().unwrap()).sum();
        Duration::from_secs(1) * ticks / TICKS_PER_SECOND
    }

    /// Returns how long its threads were ready to run, and somebody else ran on their core.
    pub fn waited(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let waited = threads.map(|thread| {
            // A thread of tokio's that has ended meanwhile, or a kernel that does not say.
            let of = fs::read_to_string(thread.unwrap().path().join("schedstat"));
            let waited = of.ok()?.split(' ').nth(1)?.parse().ok()?;
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
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
