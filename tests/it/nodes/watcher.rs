//! A client in v1 that comes and goes between the servers, and the task that reads what it is told.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt, stream::FuturesUnordered};
use serde::Deserialize;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::{
    cluster::Cluster,
    rule::Rule,
    view::{Broadcast, Group, Row, View},
};
use crate::support::{TICK, soon};

/// How long a client stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It drops its connection again and again, and resumes on any server.
    Restless,
    /// It stays, and so does its connection.
    Steady,
}

pub struct Watcher {
    held: Arc<Mutex<Held>>,
    settles: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// What a client knows.
#[derive(Default)]
struct Held {
    views: BTreeMap<Group, Followed>,
    is_stale: bool,
    connections: u32,
    frames: u64,
    resets: BTreeMap<String, u32>,
}

#[derive(Default)]
struct Followed {
    view: View,
    /// Behind what it is told: its own cursor, since a connection may end between the replays of two groups.
    cursor: Option<String>,
    /// A reset is what comes next.
    is_lost: bool,
}

/// What a server says in v1.
#[derive(Debug, Deserialize)]
struct Frame {
    r#type: String,
    id: Option<usize>,
    group: Option<BTreeMap<String, i32>>,
    cursor: Option<String>,
    recovered: Option<bool>,
    reason: Option<String>,
    retry: Option<bool>,
    #[serde(flatten)]
    broadcast: Option<Broadcast>,
}

/// What is fetched: of which group, with which number, and the rows.
type Fetch = Pin<Box<dyn Future<Output = (Group, u32, Vec<Row>)> + Send>>;

impl Watcher {
    /// Starts a client. Every second one has the page loaded before it subscribes, `since` the page's cursor.
    pub fn start(
        cluster: &Arc<Cluster>,
        rule: &'static Rule,
        number: usize,
        manners: Manners,
    ) -> Self {
        let held = Arc::new(Mutex::new(Held::default()));
        let settles = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            cluster: Arc::clone(cluster),
            rule,
            manners,
            number,
            held: Arc::clone(&held),
            settles: Arc::clone(&settles),
            fetches: FuturesUnordered::new(),
        };
        let task = tokio::spawn(reader.run());
        Self {
            held,
            settles,
            task,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is subscribed, and holds what was there.
    pub async fn begun(&self) {
        self.until("the beginning", |held| {
            let mut views = held.views.values();
            held.views.len() == Group::all().len()
                && views
                    .all(|followed| followed.cursor.is_some() && !followed.view.is_being_fetched())
        })
        .await;
    }

    /// Waits until it is told that what it holds may be old, or is not.
    pub async fn stale(&self, is_stale: bool) {
        self.until("the word on staleness", |held| held.is_stale == is_stale)
            .await;
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Held) -> bool) {
        soon(what, async {
            loop {
                self.is_well();
                if is_so(&self.held()) {
                    return;
                }
                sleep(TICK).await;
            }
        })
        .await;
    }

    /// Has it stay where it is.
    pub fn settle(&self) {
        self.settles.store(true, Ordering::Relaxed);
    }

    /// Asserts that it was told nothing that it must not be told.
    pub fn is_well(&self) {
        assert!(!self.task.is_finished(), "a client has ended: see above");
    }

    /// Returns in what it differs from the table, and whether it has the last row.
    pub fn differences(&self, table: &[(i32, Row)], last: i32) -> Vec<String> {
        let held = self.held();
        let of_view = |(group, followed): (&Group, &Followed)| {
            let view = &followed.view;
            let mut differences = view.differences(*group, table);
            if *group == Group::List(1) && !view.holds(last) {
                differences.push("the last row has not come".to_owned());
            }
            differences
        };
        held.views.iter().flat_map(of_view).collect()
    }

    /// Ends it, and says what it was told.
    pub async fn ended(self) -> String {
        self.is_well();
        self.task.abort();
        _ = self.task.await;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{} connections, {} frames, resets {:?}",
            held.connections, held.frames, held.resets
        )
    }
}

struct Reader {
    cluster: Arc<Cluster>,
    rule: &'static Rule,
    manners: Manners,
    number: usize,
    held: Arc<Mutex<Held>>,
    settles: Arc<AtomicBool>,
    fetches: FuturesUnordered<Fetch>,
}

impl Reader {
    async fn run(mut self) {
        for group in Group::all() {
            let mut followed = Followed::default();
            let number = followed.view.forget();
            if self.number.is_multiple_of(2) {
                let (cursor, rows) = fetch(&self.cluster, group).await;
                followed.cursor = cursor;
                followed.view.fetched(number, rows);
            }
            self.held().views.insert(group, followed);
        }
        loop {
            self.connect().await;
            assert!(
                self.manners == Manners::Restless,
                "the connection has ended"
            );
            sleep(TICK * 20).await;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    /// Subscribes on some server, and follows it for a while.
    async fn connect(&mut self) {
        let number = match self.manners {
            Manners::Restless => fastrand::usize(..Cluster::SERVERS),
            Manners::Steady => self.number,
        };
        let url = format!("ws://{}/ws/subscribe/", self.cluster.address(number));
        let Ok(Ok((mut socket, _))) = timeout(Duration::from_secs(5), connect_async(url)).await
        else {
            return;
        };
        {
            let mut held = self.held();
            held.is_stale = false;
            held.connections += 1;
        }
        for (id, group) in Group::all().into_iter().enumerate() {
            let since = self.held().views[&group].cursor.clone();
            let since = since.map(|cursor| format!(r#","since":"{cursor}""#));
            let request = format!(
                r#"{{"id":{id},"model":"todolist.Task","group":{}{}}}"#,
                group.name(),
                since.unwrap_or_default()
            );
            if socket.send(Message::text(request)).await.is_err() {
                return;
            }
        }
        let mut stays = Box::pin(sleep(Duration::from_millis(fastrand::u64(100..2500))));
        let mut leaves = self.manners == Manners::Restless;
        loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let goes_on = self.take(&text).unwrap_or_else(|mistake| {
                            panic!("client {}: {mistake}", self.number)
                        });
                        if !goes_on {
                            return;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    // The server's end.
                    Some(_) | None => return,
                },
                Some((group, number, rows)) = self.fetches.next() => {
                    let mut held = self.held();
                    held.views.get_mut(&group).unwrap().view.fetched(number, rows);
                }
                () = &mut stays, if leaves => {
                    leaves = false;
                    if !self.settles.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        }
    }

    /// Takes in a frame, and returns whether the connection is of use.
    fn take(&self, text: &str) -> Result<bool, String> {
        let frame: Frame = serde_json::from_str(text).map_err(|e| format!("{text}: {e}"))?;
        let mut held = self.held();
        let group = match (&frame.group, frame.id) {
            (Some(named), _) => match named.iter().next() {
                Some((key, id)) if key == "pk" => Some(Group::Task(*id)),
                Some((_, id)) => Some(Group::List(*id)),
                None => None,
            },
            (None, Some(id)) => Group::all().get(id).copied(),
            (None, None) => None,
        };
        match (&*frame.r#type, group) {
            ("stale", _) => held.is_stale = true,
            ("live", _) => held.is_stale = false,
            ("error", _) if frame.retry == Some(true) && !self.cluster.is_calm() => {
                return Ok(false);
            }
            ("subscribed", Some(group)) => {
                let followed = held.views.get_mut(&group).unwrap();
                followed.view.note(text);
                if frame.recovered == Some(false) {
                    followed.is_lost = true;
                } else if followed.cursor.is_none() {
                    self.fetch(group, &mut followed.view);
                }
                followed.cursor = frame.cursor;
            }
            ("reset", Some(group)) => {
                let reason = frame.reason.unwrap_or_default();
                let allowed = match self.cluster.is_calm() {
                    true => self.rule.in_calm,
                    false => self.rule.after_a_kill,
                };
                if !allowed.contains(&&*reason) {
                    return Err(format!("{text} came, and {allowed:?} are allowed"));
                }
                *held.resets.entry(reason).or_default() += 1;
                let followed = held.views.get_mut(&group).unwrap();
                followed.view.note(text);
                followed.is_lost = false;
                followed.cursor = frame.cursor;
                self.fetch(group, &mut followed.view);
            }
            ("broadcast", Some(group)) => {
                held.frames += 1;
                let broadcast = frame
                    .broadcast
                    .ok_or_else(|| format!("{text} is no change"))?;
                let followed = held.views.get_mut(&group).unwrap();
                if followed.is_lost {
                    return Err(format!("{text} came instead of a reset"));
                }
                let taken = followed.view.take(broadcast);
                taken.map_err(|mistake| format!("{group:?}: {mistake}"))?;
                followed.cursor = frame.cursor;
            }
            _ => return Err(format!("{text} came")),
        }
        Ok(true)
    }

    /// Fetches a group again. Several may be under way, of which the last is of use.
    fn fetch(&self, group: Group, view: &mut View) {
        let number = view.forget();
        let cluster = Arc::clone(&self.cluster);
        self.fetches.push(Box::pin(async move {
            let (_, rows) = fetch(&cluster, group).await;
            (group, number, rows)
        }));
    }
}

/// Fetches a group from any server: the cursor from before, and the rows.
async fn fetch(cluster: &Cluster, group: Group) -> (Option<String>, Vec<Row>) {
    loop {
        let address = cluster.address(fastrand::usize(..Cluster::SERVERS));
        let url = format!("http://{address}{}", group.path());
        let request = cluster.http.get(url).timeout(Duration::from_secs(10));
        if let Ok(response) = request.send().await {
            let header = response.headers().get("live-cursor");
            let cursor = header.map(|cursor| cursor.to_str().unwrap().to_owned());
            let status = response.status().as_u16();
            match (status, response.text().await) {
                (200, Ok(text)) => {
                    let one = serde_json::from_str::<Row>(&text).map(|row| vec![row]);
                    let rows = one.or_else(|_| serde_json::from_str(&text)).unwrap();
                    return (cursor, rows);
                }
                (404, Ok(_)) => return (cursor, Vec::new()),
                _ => {}
            }
        }
        sleep(TICK * 4).await;
    }
}
