//! Property tests: whatever sessions and the dispatcher do, a shard sends what a model with one
//! simple queue for each client would send.

use std::{collections::BTreeSet, mem};

use proptest::prelude::*;

use super::*;

const CLIENTS: usize = 3;
const GROUPS: i128 = 3;
const IDS: u32 = 3;
/// The dialect of each client.
const DIALECTS: [Dialect; CLIENTS] = Dialect::ALL;

/// The group in which a permission decides. In the others, all subscribers see the same.
const GUARDED: i128 = 2;

#[derive(Clone, Debug)]
enum Step {
    Subscribe(usize, i128, u32),
    Unsubscribe(usize, i128, u32),
    /// An event: the row changes in the groups of the first set, and disappears from the second.
    Publish(BTreeSet<i128>, BTreeSet<i128>),
    /// A change that subscribers with this grant may see.
    PublishToEach(usize),
    Answer(usize),
    Regrant(usize, i128, usize),
    /// The client takes what is queued.
    Drain(usize),
    /// The session is closed after what is queued.
    Close(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (client, group, id, grant) = (0..CLIENTS, 0..GROUPS, 0..IDS, 0..2_usize);
    let groups = || prop::collection::btree_set(0..GROUPS, 0..3);
    let subscription = (client.clone(), group.clone(), id);
    prop_oneof![
        4 => subscription.clone().prop_map(|(c, g, i)| Step::Subscribe(c, g, i)),
        2 => subscription.prop_map(|(c, g, i)| Step::Unsubscribe(c, g, i)),
        6 => (groups(), groups()).prop_map(|(a, b)| Step::Publish(a, b)),
        3 => grant.clone().prop_map(Step::PublishToEach),
        2 => client.clone().prop_map(Step::Answer),
        1 => (client.clone(), group, grant).prop_map(|(c, g, n)| Step::Regrant(c, g, n)),
        3 => client.clone().prop_map(Step::Drain),
        1 => client.prop_map(Step::Close),
    ]
}

/// A message: the number of its event, its rank within the event, and the text.
type Line = (u64, u8, String);

/// Ranks within an event: removals are sent first, answers last.
const REMOVAL: u8 = 0;
const BROADCAST: u8 = 1;
const ANSWER: u8 = 2;

/// One client, as simple as possible.
#[derive(Default)]
struct Queue {
    /// The group, the ids, and the grant of each subscription.
    subscriptions: Vec<(i128, Vec<u32>, usize)>,
    /// The messages, with the group and the id that each is for.
    queued: Vec<(Line, Option<(i128, u32)>)>,
    is_reset: bool,
    is_closed: bool,
}

struct Model {
    f: Fixture,
    clients: [ClientId; CLIENTS],
    queues: [Queue; CLIENTS],
    event: u64,
}

impl Model {
    fn new(pending: usize) -> Self {
        let f = Fixture::with(pending, 1 << 20);
        let clients = std::array::from_fn(|_| f.join());
        Self {
            f,
            clients,
            queues: Default::default(),
            event: 0,
        }
    }

    /// Queues a text for a client if it subscribes to the group, with this grant.
    fn push(&mut self, client: usize, group: i128, rank: u8, text: &str, grant: Option<usize>) {
        let queue = &mut self.queues[client];
        if queue.is_closed {
            return;
        }
        let mut found = queue
            .subscriptions
            .iter()
            .filter(|(g, _, n)| *g == group && grant.is_none_or(|grant| grant == *n));
        let Some((_, ids, _)) = found.next() else {
            return;
        };
        let ids = match DIALECTS[client] {
            Dialect::V0_7 => ids.clone(),
            Dialect::Plain | Dialect::V1 => vec![0],
        };
        for id in ids {
            let text = match DIALECTS[client] {
                Dialect::V0_7 => format!(r#"{{"type":"broadcast","id":{id},{text}"#),
                Dialect::Plain | Dialect::V1 => text.to_owned(),
            };
            let line = (self.event, rank, text);
            queue.queued.push((line, Some((group, id))));
        }
    }

    /// Performs a step in the shard and in the model.
    fn perform(&mut self, step: &Step) {
        match step {
            Step::Subscribe(client, group, id) => self.subscribe(*client, *group, *id),
            Step::Unsubscribe(client, group, id) => self.unsubscribe(*client, *group, *id),
            Step::Publish(changes, removals) => self.publish(changes, removals),
            Step::PublishToEach(grant) => self.publish_to_each(*grant),
            Step::Answer(client) => {
                let text = format!("answer after {}", self.event);
                self.f.answer(self.clients[*client], &text);
                if !self.queues[*client].is_closed {
                    let line = (self.event, ANSWER, text);
                    self.queues[*client].queued.push((line, None));
                }
            }
            Step::Regrant(client, group, grant) => self.regrant(*client, *group, *grant),
            Step::Drain(client) => self.compare(*client),
            Step::Close(client) => {
                let id = self.clients[*client];
                self.f
                    .shard
                    .with(|s| s.close_session(id, CloseCode::TooMany));
                self.queues[*client].is_closed = true;
            }
        }
    }

    fn publish(&mut self, changes: &BTreeSet<i128>, removals: &BTreeSet<i128>) {
        self.event += 1;
        let groups = changes.union(removals).filter(|g| **g != GUARDED);
        let texts: Vec<_> = groups
            .map(|group| {
                let sign = if removals.contains(group) { "-" } else { "" };
                (*group, format!("{sign}{} of {group}", self.event))
            })
            .collect();
        let borrowed: Vec<_> = texts
            .iter()
            .map(|(group, text)| (*group, &**text))
            .collect();
        self.f.publish(&borrowed);
        for client in 0..CLIENTS {
            for (group, text) in &texts {
                let rank = if text.starts_with('-') {
                    REMOVAL
                } else {
                    BROADCAST
                };
                self.push(client, *group, rank, text, None);
            }
        }
    }

    fn publish_to_each(&mut self, grant: usize) {
        self.event += 1;
        let text = format!("{} for {grant}", self.event);
        let sees = |granted| granted == SerializerSet::NONE.with(grant);
        self.f.publish_to_each(GUARDED, &text, sees);
        for client in (0..CLIENTS).filter(|client| DIALECTS[*client] != Dialect::V0_7) {
            self.push(client, GUARDED, BROADCAST, &text, Some(grant));
        }
    }

    fn subscribe(&mut self, client: usize, group: i128, id: u32) {
        let dialect = DIALECTS[client];
        // The fixture's guarded frames have no part for the id, which 0.7 needs.
        if dialect == Dialect::V0_7 && group == GUARDED {
            return;
        }
        let id = (dialect != Dialect::Plain).then(|| id.to_string());
        let mut new = self.f.new_subscription(group, id.as_deref(), dialect, 0);
        let queue = &mut self.queues[client];
        let present = queue.subscriptions.iter_mut().find(|(g, ..)| *g == group);
        new.granted =
            SerializerSet::NONE.with(present.as_ref().map_or(0, |(_, _, granted)| *granted));
        if self.f.subscribe_to(self.clients[client], &new).is_err() {
            return;
        }
        let ids = match present {
            Some((_, ids, _)) => ids,
            None => {
                queue.subscriptions.push((group, Vec::new(), 0));
                &mut queue.subscriptions.last_mut().unwrap().1
            }
        };
        if let Some(id) = id.map(|id| id.parse().unwrap())
            && !ids.contains(&id)
        {
            ids.push(id);
        }
    }

    fn unsubscribe(&mut self, client: usize, group: i128, id: u32) {
        let queue = &mut self.queues[client];
        if DIALECTS[client] == Dialect::Plain {
            self.f
                .shard
                .with(|s| drop(s.unsubscribe(self.clients[client], &super::group(group))));
            queue.subscriptions.retain(|(g, ..)| *g != group);
            queue
                .queued
                .retain(|(_, receiver)| receiver.is_none_or(|(g, _)| g != group));
            return;
        }
        self.f.unsubscribe_id(self.clients[client], &id.to_string());
        let mut ended = Vec::new();
        for (group, ids, _) in &mut queue.subscriptions {
            let had = ids.len();
            ids.retain(|known| *known != id);
            if had > 0 && ids.is_empty() {
                ended.push(*group);
            }
        }
        queue.subscriptions.retain(|(g, ..)| !ended.contains(g));
        let is_v0_7 = DIALECTS[client] == Dialect::V0_7;
        queue.queued.retain(|(_, receiver)| {
            receiver.is_none_or(|(group, receiver)| {
                !(ended.contains(&group) || is_v0_7 && receiver == id)
            })
        });
    }

    fn regrant(&mut self, client: usize, group: i128, grant: usize) {
        let subscriptions = self.f.subscriptions(self.clients[client]);
        let mut subscriptions = subscriptions.iter();
        let Some(subscribed) = subscriptions.find(|s| *s.group == super::group(group)) else {
            return;
        };
        let granted = Ok(SerializerSet::NONE.with(grant));
        let apply = |s: &mut State| s.apply(self.clients[client], subscribed.id, 0, granted);
        self.f.shard.with(|s| drop(apply(s)));
        let queue = &mut self.queues[client];
        let subscription = queue.subscriptions.iter_mut().find(|(g, ..)| *g == group);
        let subscription = subscription.expect("the model has it also");
        if mem::replace(&mut subscription.2, grant) != grant {
            queue
                .queued
                .retain(|(_, receiver)| receiver.is_none_or(|(g, _)| g != group));
            queue.is_reset |= !queue.is_closed;
        }
    }

    /// Takes what is queued for a client, and compares it with the model. The groups of one event
    /// may come in any order.
    fn compare(&mut self, client: usize) {
        let queue = &mut self.queues[client];
        let mut expected: Vec<Line> = queue.queued.drain(..).map(|(line, _)| line).collect();
        let answers_of = |lines: &[Line]| {
            let answers = lines.iter().filter(|(_, rank, _)| *rank == ANSWER);
            answers.cloned().collect::<Vec<_>>()
        };
        let answers = answers_of(&expected);
        expected.sort();
        let resets = if !mem::take(&mut queue.is_reset) {
            0
        } else if DIALECTS[client] == Dialect::V1 {
            let subscriptions = queue.subscriptions.iter();
            subscriptions.map(|(_, ids, _)| ids.len()).sum()
        } else {
            usize::from(!queue.subscriptions.is_empty())
        };
        if queue.is_closed && expected.is_empty() && resets == 0 {
            let close = Some(Outgoing::Close(CloseCode::TooMany));
            assert_eq!(self.f.next(self.clients[client]), close);
            return;
        }
        let texts = self.f.texts(self.clients[client]);
        let (texts, last) = texts.split_at(texts.len() - resets.min(texts.len()));
        assert!(
            last.iter().all(|text| text == "reset" || text == "bulk"),
            "{last:?}"
        );
        assert_eq!(last.len(), resets);
        assert_eq!(
            texts.len(),
            expected.len(),
            "{texts:?} instead of {expected:?}"
        );
        let mut lines: Vec<Line> = expected
            .iter()
            .zip(texts)
            .map(|((event, rank, _), text)| (*event, *rank, text.clone()))
            .collect();
        assert_eq!(answers_of(&lines), answers, "the order of the answers");
        lines.sort();
        assert_eq!(lines, expected);
    }

    /// Compares what is left, and asserts that nothing is kept.
    fn finish(mut self) {
        for client in 0..CLIENTS {
            self.compare(client);
            self.f.shard.with(|s| {
                let queue = &s.clients[self.clients[client].index].queue;
                assert_eq!((queue.frames(), queue.is_empty()), (0, true));
            });
        }
        self.leave();
    }

    /// Removes the clients, and asserts that nothing is kept.
    fn leave(self) {
        for group in 0..GROUPS {
            assert_eq!(self.f.logged(group), 0, "the log of group {group}");
        }
        for client in self.clients {
            self.f.shard.leave(client);
        }
        self.f.assert_clean();
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..60)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn shard_sends_what_simple_queues_would(steps in steps()) {
        let mut model = Model::new(1 << 20);
        for step in &steps {
            model.perform(step);
        }
        model.finish();
    }

    /// With small limits, frames are dropped: nothing that no client needs is kept, and the counts
    /// stay correct.
    #[test]
    fn counts_stay_correct_while_clients_lag(steps in steps(), pending in 1..6_usize) {
        let mut model = Model::new(pending);
        for step in &steps {
            if let Step::Drain(client) = step {
                _ = model.f.next(model.clients[*client]);
            } else {
                model.perform(step);
            }
            let clients = model.clients;
            model.f.shard.with(|s| for client in clients {
                let queue = &s.clients[client.index].queue;
                // As many answers may be queued in addition.
                assert!(queue.frames() <= 2 * pending.max(IDS as usize) , "{queue:?}");
            });
        }
        for client in model.clients {
            while let Some(Outgoing::Frames(_)) = model.f.next(client) {}
        }
        model.leave();
    }
}
