//! The client itself: it comes and goes between the servers, and takes in what they say.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt, stream::FuturesUnordered};
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::{Followed, Held, Manners};
use crate::{
    logs::processes::{
        cluster::Cluster,
        rule::Rule,
        view::{Broadcast, Group, Row, View},
    },
    support::TICK,
};

pub(crate) struct Reader {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) rule: &'static Rule,
    pub(crate) manners: Manners,
    pub(crate) number: usize,
    pub(crate) held: Arc<Mutex<Held>>,
    pub(crate) settles: Arc<AtomicBool>,
    pub(crate) fetches: Fetches,
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

/// Those that are under way.
pub(crate) type Fetches = FuturesUnordered<Fetch>;

impl Reader {
    pub(crate) async fn run(mut self) {
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
