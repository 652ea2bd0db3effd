//! The task of a client: it moves between the servers and processes their frames.

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

use super::{Behavior, State, Subscription, UnitPart};
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
    pub(crate) behavior: Behavior,
    pub(crate) number: usize,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) stays: Arc<AtomicBool>,
    pub(crate) fetches: Fetches,
}

/// A frame of a server in v1.
#[derive(Debug, Deserialize)]
struct Frame {
    r#type: String,
    id: Option<usize>,
    group: Option<BTreeMap<String, i32>>,
    cursor: Option<String>,
    unit: Option<String>,
    recovered: Option<bool>,
    reason: Option<String>,
    retry: Option<bool>,
    #[serde(flatten)]
    broadcast: Option<Broadcast>,
}

/// A running fetch: the group, the number of the fetch, and the rows.
type Fetch = Pin<Box<dyn Future<Output = (Group, u32, Vec<Row>)> + Send>>;

/// The running fetches of a client.
pub(crate) type Fetches = FuturesUnordered<Fetch>;

impl Reader {
    pub(crate) async fn run(mut self) {
        for group in Group::all() {
            let mut subscription = Subscription::default();
            let number = subscription.view.begin_fetch();
            if self.number.is_multiple_of(2) {
                let (cursor, rows) = fetch(&self.cluster, group).await;
                subscription.cursor = cursor;
                subscription.view.finish_fetch(number, rows);
            }
            self.state().views.insert(group, subscription);
        }
        loop {
            self.connect().await;
            assert!(
                self.behavior == Behavior::Roaming,
                "the connection has ended"
            );
            sleep(TICK * 20).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Subscribes on a server, and processes its frames for a while.
    async fn connect(&mut self) {
        let number = match self.behavior {
            Behavior::Roaming => fastrand::usize(..Cluster::SERVERS),
            Behavior::Steady => self.number,
        };
        let url = format!("ws://{}/ws/subscribe/", self.cluster.address(number));
        let Ok(Ok((mut socket, _))) = timeout(Duration::from_secs(5), connect_async(url)).await
        else {
            return;
        };
        {
            let mut state = self.state();
            state.is_stale = false;
            // The rest of a unit is replayed.
            state.unit.clear();
            state.connections += 1;
        }
        for (id, group) in Group::all().into_iter().enumerate() {
            let since = self.state().views[&group].cursor.clone();
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
        let mut departure = Box::pin(sleep(Duration::from_millis(fastrand::u64(100..2500))));
        let mut may_leave = self.behavior == Behavior::Roaming;
        loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let is_usable = self.process(&text).unwrap_or_else(|mistake| {
                            panic!("client {}: {mistake}", self.number)
                        });
                        if !is_usable {
                            return;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    // The server is gone.
                    Some(_) | None => return,
                },
                Some((group, number, rows)) = self.fetches.next() => {
                    let mut state = self.state();
                    state.views.get_mut(&group).unwrap().view.finish_fetch(number, rows);
                }
                () = &mut departure, if may_leave => {
                    may_leave = false;
                    if !self.stays.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        }
    }

    /// Processes a frame. Returns whether the connection is still usable.
    fn process(&self, text: &str) -> Result<bool, String> {
        let frame: Frame = serde_json::from_str(text).map_err(|e| format!("{text}: {e}"))?;
        let mut state = self.state();
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
            ("stale", _) => state.is_stale = true,
            ("live", _) => state.is_stale = false,
            ("error", _) if frame.retry == Some(true) && !self.cluster.is_calm() => {
                return Ok(false);
            }
            ("subscribed", Some(group)) => {
                let subscription = state.views.get_mut(&group).unwrap();
                subscription.view.record(text);
                if frame.recovered == Some(false) {
                    subscription.expects_reset = true;
                } else if subscription.cursor.is_none() {
                    self.fetch(group, &mut subscription.view);
                }
                subscription.cursor = frame.cursor;
            }
            ("reset", Some(group)) => {
                let reason = frame.reason.unwrap_or_default();
                let allowed = if self.cluster.is_calm() {
                    self.rule.in_calm
                } else {
                    self.rule.after_a_kill
                };
                if !allowed.contains(&&*reason) {
                    return Err(format!("received {text}, but only {allowed:?} are allowed"));
                }
                *state.resets.entry(reason).or_default() += 1;
                let subscription = state.views.get_mut(&group).unwrap();
                subscription.view.record(text);
                subscription.expects_reset = false;
                subscription.cursor = frame.cursor;
                self.fetch(group, &mut subscription.view);
                state.unit.retain(|part| part.group != group);
            }
            ("broadcast", Some(group)) => {
                state.frames += 1;
                let broadcast = frame
                    .broadcast
                    .ok_or_else(|| format!("{text} is not a change"))?;
                let units = state.unit.iter().map(|part| Some(&part.unit));
                let units: Vec<_> = units.chain([frame.unit.as_ref()]).collect();
                let changes = units.windows(2).filter(|pair| pair[0] != pair[1]).count();
                // A replay also ends the unit in which the client was too slow.
                let is_within = changes > usize::from(frame.unit.is_some());
                if is_within {
                    return Err(format!("received {text} within another unit"));
                }
                match frame.unit {
                    Some(unit) => state.unit.push(UnitPart {
                        unit,
                        group,
                        broadcast,
                    }),
                    None => state.apply(group, broadcast, frame.cursor)?,
                }
            }
            ("unit", _) => {
                state.units += 1;
                for part in std::mem::take(&mut state.unit) {
                    state.apply(part.group, part.broadcast, frame.cursor.clone())?;
                }
            }
            _ => return Err(format!("received {text} unexpectedly")),
        }
        Ok(true)
    }

    /// Starts a fetch of a group. Several may run at once; only the last one counts.
    fn fetch(&self, group: Group, view: &mut View) {
        let number = view.begin_fetch();
        let cluster = Arc::clone(&self.cluster);
        self.fetches.push(Box::pin(async move {
            let (_, rows) = fetch(&cluster, group).await;
            (group, number, rows)
        }));
    }
}

impl State {
    /// Applies a broadcast, after which the client can resume from `cursor`.
    fn apply(
        &mut self,
        group: Group,
        broadcast: Broadcast,
        cursor: Option<String>,
    ) -> Result<(), String> {
        let subscription = self.views.get_mut(&group).unwrap();
        if subscription.expects_reset {
            return Err(format!("received {broadcast:?} instead of a reset"));
        }
        let result = subscription.view.receive(broadcast);
        result.map_err(|mistake| format!("{group:?}: {mistake}"))?;
        subscription.cursor = cursor;
        Ok(())
    }
}

/// Fetches a group from any server. Returns the cursor from before the read, and the rows.
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
