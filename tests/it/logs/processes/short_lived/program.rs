//! The program that writes a row and ends.

use std::{
    env,
    io::{BufRead, BufReader, Write, stdin},
    process::{self, Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use rest_live::Live;
use rest_live_outbox::OutboxLog;
use rest_live_redis::RedisLog;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, Database, DatabaseConnection, EntityTrait, TransactionTrait,
};
use tokio::runtime::Runtime;

use crate::{
    entities::task,
    support::{TICK, soon, task as new_task},
};

const VARIABLES: [&str; 4] = [
    "PROGRAM_DATABASE",
    "PROGRAM_LOG",
    "PROGRAM_WRITE",
    "PROGRAM_END",
];

/// The program in a process of its own.
pub struct Program {
    child: Child,
    /// The signal that ends it, if it does not end itself.
    signal: Option<String>,
    stdin: ChildStdin,
    lines: Receiver<String>,
    has_written: bool,
}

impl Program {
    /// Starts the program. `write` is what it writes, and `end` how it ends.
    pub fn start(database: &str, log: &str, write: &str, end: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "--ignored", "--nocapture"]);
        command.arg("logs::processes::short_lived::program::program");
        for (name, value) in VARIABLES.iter().zip([database, log, write, end]) {
            command.env(name, value);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // The test may have ended.
                _ = sender.send(line);
            }
        });
        Self {
            signal: end.strip_prefix("SIG").map(str::to_owned),
            stdin: child.stdin.take().unwrap(),
            child,
            lines,
            has_written: false,
        }
    }

    /// Waits until the program prints a line.
    pub async fn line(&mut self, expected: &str) {
        let mut printed = Vec::new();
        soon(&format!("the line {expected:?} of a program"), async {
            loop {
                match self.lines.try_recv() {
                    Ok(line) if line == expected => break,
                    Ok(line) => printed.push(line),
                    Err(_) => {
                        let ended = self.child.try_wait().unwrap();
                        assert!(ended.is_none(), "{ended:?} {printed:?}");
                        tokio::time::sleep(TICK).await;
                    }
                }
            }
        })
        .await;
        self.has_written |= expected == "written";
    }

    /// Lets the program write.
    pub fn proceed(&mut self) {
        writeln!(self.stdin, "go").unwrap();
    }

    /// Lets the program write and end. A program that a signal ends has written before.
    pub async fn end(mut self) {
        if !self.has_written {
            self.proceed();
        }
        if self.signal.is_some() {
            if !self.has_written {
                self.line("written").await;
            }
            return self.kill().await;
        }
        self.ended().await;
    }

    /// Ends the program with its signal, whatever it does.
    pub async fn kill(mut self) {
        let (signal, pid) = (self.signal.as_ref().unwrap(), self.child.id().to_string());
        let status = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(status.unwrap().success());
        self.ended().await;
    }

    /// Waits until the program has ended.
    pub async fn ended(&mut self) {
        soon("the end of a program", async {
            while self.child.try_wait().unwrap().is_none() {
                tokio::time::sleep(TICK).await;
            }
        })
        .await;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
#[ignore = "the other tests of this module start it as a program of its own"]
fn program() {
    let [database, log, write, end] = VARIABLES.map(|name| env::var(name).unwrap());
    Runtime::new().unwrap().block_on(async {
        let db = Database::connect(database).await.unwrap();
        let builder = Live::<()>::builder(db.clone());
        let builder = match log.as_str() {
            "outbox" => builder.log(OutboxLog::open(db.clone()).await.unwrap()),
            url => builder.log(RedisLog::connect(url).await.unwrap()),
        };
        print("connected");
        stdin().read_line(&mut String::new()).unwrap();
        // The first write follows at once.
        let live = builder.build().unwrap();
        execute(&live, &db, &write).await;
        match end.as_str() {
            "return" => {}
            "shutdown" => live.shutdown().await,
            "exit" => process::exit(0),
            "abort" => process::abort(),
            "panic" => panic!("this program panics"),
            _ => {
                print("written");
                std::future::pending::<()>().await;
            }
        }
    });
}

async fn execute(live: &Live, plain: &DatabaseConnection, write: &str) {
    let db = live.db();
    let (write, text) = write.split_once(' ').unwrap();
    // A key that no other program of the test uses.
    let id = 10 + i32::from(text.bytes().fold(0_u8, u8::wrapping_add));
    let row = new_task(id, text, 1);
    match write {
        "insert" => _ = row.insert(&db).await.unwrap(),
        "update" => {
            let mut row = new_task(2, text, 1);
            row.done = Set(true);
            row.update(&db).await.unwrap();
        }
        "delete" => {
            let key = text.parse::<i32>().unwrap();
            task::Entity::delete_by_id(key).exec(&db).await.unwrap();
        }
        "plain" => {
            live.capture_plain_connections();
            row.insert(plain).await.unwrap();
        }
        "transaction" => {
            let transaction = db.begin().await.unwrap();
            row.insert(&transaction).await.unwrap();
            transaction.commit().await.unwrap();
        }
        "rollback" => {
            let transaction = db.begin().await.unwrap();
            row.insert(&transaction).await.unwrap();
            transaction.rollback().await.unwrap();
        }
        "failure" => {
            let existing = new_task(2, text, 1);
            existing.insert(&db).await.unwrap_err();
        }
        other => panic!("{other} is no write"),
    }
}

fn print(line: &str) {
    eprintln!("{line}");
}
