//! The servers, which are processes of the todolist example, and what they share.

use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::view::Row;
use crate::support::{Engine, Example, Redis, TestDatabase};

/// The log that the servers share.
pub enum Shared {
    Redis(Redis),
    Outbox,
}

pub struct Cluster {
    servers: Mutex<Vec<Option<Example>>>,
    /// When a server or Redis was killed.
    faults: Mutex<Vec<Instant>>,
    /// The greatest id of a task that a writer knows.
    newest: AtomicI32,
    plain: DatabaseConnection,
    pub http: reqwest::Client,
    shared: Shared,
    /// Declared last, so that it is dropped after the servers.
    database: TestDatabase,
}

/// A trigger appends a version to each text, which no writer knows: `milk #3`.
const VERSIONING: &[&str] = &[
    r"CREATE FUNCTION count_task() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.text := regexp_replace(NEW.text, ' #[0-9]+$', '') || ' #' || CASE TG_OP
          WHEN 'UPDATE' THEN substring(OLD.text from '[0-9]+$')::bigint + 1 ELSE 1 END;
        RETURN NEW;
      END $$",
    "CREATE TRIGGER count_task BEFORE INSERT OR UPDATE ON task FOR EACH ROW EXECUTE FUNCTION count_task()",
    // The default is one second, too long for a run with a hundred deadlocks.
    "ALTER SYSTEM SET deadlock_timeout = '50ms'",
    "SELECT pg_reload_conf()",
];

/// How long after a kill resets and errors count as its consequences.
const AFTERMATH: Duration = Duration::from_secs(30);

impl Cluster {
    pub const SERVERS: usize = 3;
    /// Tasks are in the lists 1 to `LISTS`.
    pub const LISTS: i32 = 3;
    /// The tasks 1 to `LASTING` are never deleted.
    pub const LASTING: i32 = 3;

    pub async fn start(shared: Shared) -> Self {
        let database = TestDatabase::start(Engine::Postgres).await;
        let cluster = Self {
            servers: Mutex::default(),
            faults: Mutex::default(),
            newest: AtomicI32::new(0),
            plain: database.connect().await,
            http: reqwest::Client::new(),
            shared,
            database,
        };
        // One after the other, because the first server creates the tables.
        for number in 0..Self::SERVERS {
            let server = cluster.launch().await;
            cluster.servers().push(Some(server));
            if number == 0 {
                for statement in VERSIONING {
                    cluster.plain.execute_unprepared(statement).await.unwrap();
                }
            }
        }
        for list in 1..=Self::LISTS {
            let body = format!(r#"{{"name":"list {list}"}}"#);
            let (status, _) = cluster.send(0, "POST", "/api/lists", body).await.unwrap();
            assert_eq!(status, 201);
        }
        for number in 0..Self::LASTING + 20 {
            cluster
                .insert(number % Self::LISTS + 1, "of the first")
                .await;
        }
        cluster
    }

    async fn launch(&self) -> Example {
        let log = match &self.shared {
            Shared::Redis(redis) => redis.url(),
            Shared::Outbox => "outbox".to_owned(),
        };
        let url = self.database.url();
        Example::start_with("todolist", |command| {
            command.env("DATABASE_URL", url).env("LIVE_LOG", log)
        })
        .await
    }

    pub fn redis(&self) -> Option<&Redis> {
        match &self.shared {
            Shared::Redis(redis) => Some(redis),
            Shared::Outbox => None,
        }
    }

    fn servers(&self) -> MutexGuard<'_, Vec<Option<Example>>> {
        self.servers.lock().unwrap()
    }

    /// Returns the address of a server, or of the next one that runs.
    pub fn address(&self, number: usize) -> String {
        let servers = self.servers();
        let mut numbers = (number..).map(|number| number % servers.len());
        let server = numbers.find_map(|number| servers[number].as_ref());
        server.unwrap().addr.clone()
    }

    /// Kills a server.
    pub fn kill(&self, number: usize) {
        self.record_fault();
        // Dropping an `Example` kills its process.
        let server = self.servers()[number].take();
        drop(server);
    }

    pub async fn restart(&self, number: usize) {
        let server = self.launch().await;
        self.servers()[number] = Some(server);
    }

    /// Records that a server or Redis is being killed.
    pub fn record_fault(&self) {
        self.faults.lock().unwrap().push(Instant::now());
    }

    pub fn is_calm(&self) -> bool {
        let faults = self.faults.lock().unwrap();
        faults.last().is_none_or(|last| last.elapsed() > AFTERMATH)
    }

    /// Returns the id of one of the newest tasks.
    pub fn recent(&self, among: i32) -> i32 {
        let newest = self.newest.load(Ordering::Relaxed);
        let oldest = (newest - among).max(Self::LASTING + 1);
        fastrand::i32(oldest..=newest.max(oldest))
    }

    pub fn record_task(&self, task: i32) {
        self.newest.fetch_max(task, Ordering::Relaxed);
    }

    /// Sends a request, and returns the status and the body of the response.
    ///
    /// # Errors
    /// Fails if the server is gone.
    pub async fn send(
        &self,
        number: usize,
        method: &str,
        path: &str,
        body: String,
    ) -> reqwest::Result<(u16, String)> {
        let url = format!("http://{}{path}", self.address(number));
        let request = self.http.request(method.parse().unwrap(), url).body(body);
        let response = request.timeout(Duration::from_secs(20)).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// Inserts a task and returns its id.
    pub async fn insert(&self, list: i32, text: &str) -> i32 {
        let body = format!(r#"{{"text":"{text}","list_id":{list}}}"#);
        let (status, text) = self.send(0, "POST", "/api/tasks", body).await.unwrap();
        assert_eq!(status, 201, "{text}");
        let row: Row = serde_json::from_str(&text).unwrap();
        self.record_task(row.id);
        row.id
    }

    /// Returns all rows of the table, each with its list.
    pub async fn rows(&self) -> Vec<(i32, Row)> {
        let all = Statement::from_string(
            DbBackend::Postgres,
            "SELECT list_id, id, text, done FROM task",
        );
        let rows = self.plain.query_all_raw(all).await.unwrap();
        let rows = rows.iter().map(|row| {
            let list = row.try_get("", "list_id").unwrap();
            let row = Row {
                id: row.try_get("", "id").unwrap(),
                text: row.try_get("", "text").unwrap(),
                done: row.try_get("", "done").unwrap(),
            };
            (list, row)
        });
        rows.collect()
    }
}
