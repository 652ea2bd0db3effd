//! Whatever sessions and the dispatcher do, a shard says what a queue for each session would.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const PEERS: usize = 3;
const GROUPS: i128 = 3;
const IDS: u32 = 3;
const DIALECTS: [Dialect; PEERS] = Dialect::ALL;

#[derive(Clone, Debug)]
enum Step {
    Subscribe(usize, i128, u32),
    Unsubscribe(usize, i128, u32),
    /// An event of these groups; of the others of the two lists the row disappears.
    Publish(BTreeSet<i128>, BTreeSet<i128>),
    /// A change that who was granted this may see.
    PublishToEach(usize),
    Answer(usize),
    Regrant(usize, i128, usize),
    Take(usize),
    /// Once what waits has left.
    Close(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (peer, group, id, grant) = (0..PEERS, 0..GROUPS, 0..IDS, 0..2_usize);
    let groups = || prop::collection::btree_set(0..GROUPS, 0..3);
    prop_oneof![
        4 => (peer.clone(), group.clone(), id.clone()).prop_map(|(p, g, i)| Step::Subscribe(p, g, i)),
        2 => (peer.clone(), group.clone(), id).prop_map(|(p, g, i)| Step::Unsubscribe(p, g, i)),
        6 => (groups(), groups()).prop_map(|(a, b)| Step::Publish(a, b)),
        3 => grant.clone().prop_map(Step::PublishToEach),
        2 => peer.clone().prop_map(Step::Answer),
        1 => (peer.clone(), group, grant).prop_map(|(p, g, n)| Step::Regrant(p, g, n)),
        3 => peer.clone().prop_map(Step::Take),
        1 => peer.prop_map(Step::Close),
    ]
}

/// Content is said: the event, whether it comes behind what disappears, the text.
type Line = (u64, u8, String);

/// One client, as simply as can be.
#[derive(Default)]
struct Queue {
    /// The group, the names, and what it was granted.
    subscriptions: Vec<(i128, Vec<u32>, usize)>,
    /// With the group and the name that it is for.
    waiting: Vec<(Line, Option<(i128, u32)>)>,
    is_reset: bool,
    is_closed: bool,
}

/// All groups whose changes everybody sees, and those where a permission decides.
const ASKED: i128 = 2;

struct Model {
    f: Fixture,
    peers: [ClientId; PEERS],
    queues: [Queue; PEERS],
    event: u64,
}

impl Model {
    fn new(pending: usize) -> Self {
        let f = Fixture::with(pending, 1 << 20);
        let peers = std::array::from_fn(|_| f.join());
        Self {
            f,
            peers,
            queues: Default::default(),
            event: 0,
        }
    }

    fn text(&self, dialect: Dialect, name: u32, text: &str) -> String {
        match dialect {
            Dialect::V0_7 => format!(r#"{{"type":"broadcast","id":{name},{text}"#),
            Dialect::Plain | Dialect::V1 => text.to_owned(),
        }
    }

    fn say(&mut self, peer: usize, group: i128, rank: u8, text: &str, grant: Option<usize>) {
        let dialect = DIALECTS[peer];
        if self.queues[peer].is_closed {
            return;
        }
        let subscription = self.queues[peer].subscriptions.iter();
        let mut found =
            subscription.filter(|(g, _, n)| *g == group && grant.is_none_or(|grant| grant == *n));
        let Some((_, names, _)) = found.next() else {
            return;
        };
        let names = match dialect {
            Dialect::V0_7 => names.clone(),
            Dialect::Plain | Dialect::V1 => vec![0],
        };
        for name in names {
            let line = (self.event, rank, self.text(dialect, name, text));
            self.queues[peer].waiting.push((line, Some((group, name))));
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Subscribe(peer, group, id) => self.subscribe(*peer, *group, *id),
            Step::Unsubscribe(peer, group, id) => self.unsubscribe(*peer, *group, *id),
            Step::Publish(changes, removals) => {
                self.event += 1;
                let all: BTreeSet<_> = changes.union(removals).filter(|g| **g != ASKED).collect();
                let text = |group: &i128| {
                    let sign = if removals.contains(group) { "-" } else { "" };
                    format!("{sign}{} of {group}", self.event)
                };
                let texts: Vec<_> = all.iter().map(|group| (**group, text(group))).collect();
                let lent: Vec<_> = texts
                    .iter()
                    .map(|(group, text)| (*group, &**text))
                    .collect();
                self.f.publish(&lent);
                for peer in 0..PEERS {
                    for (group, text) in &texts {
                        let rank = u8::from(!text.starts_with('-'));
                        self.say(peer, *group, rank, text, None);
                    }
                }
            }
            Step::PublishToEach(grant) => {
                self.event += 1;
                let text = format!("{} for {grant}", self.event);
                let grant = *grant;
                self.f.publish_to_each(ASKED, &text, |granted| {
                    granted == SerializerSet::NONE.with(grant)
                });
                for peer in (0..PEERS).filter(|peer| DIALECTS[*peer] != Dialect::V0_7) {
                    self.say(peer, ASKED, 1, &text, Some(grant));
                }
            }
            Step::Answer(peer) => {
                let text = format!("answer behind {}", self.event);
                self.f.answer(self.peers[*peer], &text);
                if !self.queues[*peer].is_closed {
                    let line = (self.event, 2, text);
                    self.queues[*peer].waiting.push((line, None));
                }
            }
            Step::Regrant(peer, group, grant) => self.regrant(*peer, *group, *grant),
            Step::Take(peer) => self.compare(*peer),
            Step::Close(peer) => {
                let close = CloseCode::TooMany;
                self.f
                    .shard
                    .with(|s| s.close_session(self.peers[*peer], close));
                self.queues[*peer].is_closed = true;
            }
        }
    }

    fn subscribe(&mut self, peer: usize, group: i128, id: u32) {
        let dialect = DIALECTS[peer];
        // Of 0.7 nothing is published to each here: the fixture's frames have no names.
        if dialect == Dialect::V0_7 && group == ASKED {
            return;
        }
        let id = (dialect != Dialect::Plain).then(|| id.to_string());
        let mut grant = self.f.grant(group, id.as_deref(), dialect, 0);
        let queue = &mut self.queues[peer];
        let present = queue.subscriptions.iter_mut().find(|(g, ..)| *g == group);
        grant.granted =
            SerializerSet::NONE.with(present.as_ref().map_or(0, |(_, _, granted)| *granted));
        if self.f.take(self.peers[peer], grant).is_err() {
            return;
        }
        let names = match present {
            Some((_, names, _)) => names,
            None => {
                queue.subscriptions.push((group, Vec::new(), 0));
                &mut queue.subscriptions.last_mut().unwrap().1
            }
        };
        if let Some(id) = id.map(|id| id.parse().unwrap())
            && !names.contains(&id)
        {
            names.push(id);
        }
    }

    fn unsubscribe(&mut self, peer: usize, group: i128, id: u32) {
        let queue = &mut self.queues[peer];
        if DIALECTS[peer] == Dialect::Plain {
            self.f
                .shard
                .with(|s| drop(s.unsubscribe(self.peers[peer], &super::group(group))));
            queue.subscriptions.retain(|(g, ..)| *g != group);
            queue
                .waiting
                .retain(|(_, of)| of.is_none_or(|(g, _)| g != group));
            return;
        }
        self.f.unsubscribe_id(self.peers[peer], &id.to_string());
        let mut ended = Vec::new();
        for (group, names, _) in &mut queue.subscriptions {
            let had = names.len();
            names.retain(|name| *name != id);
            if had > 0 && names.is_empty() {
                ended.push(*group);
            }
        }
        queue.subscriptions.retain(|(g, ..)| !ended.contains(g));
        let is_old = DIALECTS[peer] == Dialect::V0_7;
        queue.waiting.retain(|(_, of)| {
            of.is_none_or(|(group, name)| !(ended.contains(&group) || is_old && name == id))
        });
    }

    fn regrant(&mut self, peer: usize, group: i128, grant: usize) {
        let of = self.f.subscriptions(self.peers[peer]);
        let Some(of) = of.iter().find(|s| *s.group == super::group(group)) else {
            return;
        };
        let granted = Ok(SerializerSet::NONE.with(grant));
        let apply = |s: &mut State| s.apply(self.peers[peer], of.grant, 0, granted);
        self.f.shard.with(|s| drop(apply(s)));
        let queue = &mut self.queues[peer];
        let subscription = queue.subscriptions.iter_mut().find(|(g, ..)| *g == group);
        let subscription = subscription.expect("it has it, too");
        if std::mem::replace(&mut subscription.2, grant) != grant {
            queue
                .waiting
                .retain(|(_, of)| of.is_none_or(|(g, _)| g != group));
            queue.is_reset |= !queue.is_closed;
        }
    }

    /// Of one event groups come in any order.
    fn compare(&mut self, peer: usize) {
        let queue = &mut self.queues[peer];
        let mut expected: Vec<Line> = queue.waiting.drain(..).map(|(line, _)| line).collect();
        let is_answer = |line: &Line| line.1 == 2;
        let of_answers = |lines: &[Line]| {
            lines
                .iter()
                .filter(|l| is_answer(l))
                .cloned()
                .collect::<Vec<_>>()
        };
        let answers = of_answers(&expected);
        expected.sort();
        let resets = match std::mem::take(&mut queue.is_reset) {
            true => match DIALECTS[peer] {
                Dialect::V1 => queue
                    .subscriptions
                    .iter()
                    .map(|(_, names, _)| names.len())
                    .sum(),
                Dialect::Plain | Dialect::V0_7 => usize::from(!queue.subscriptions.is_empty()),
            },
            false => 0,
        };
        if self.queues[peer].is_closed && expected.is_empty() && resets == 0 {
            let close = Some(Outgoing::Close(CloseCode::TooMany));
            assert_eq!(self.f.next(self.peers[peer]), close);
            return;
        }
        let told = self.f.texts(self.peers[peer]);
        let (told, last) = told.split_at(told.len() - resets.min(told.len()));
        assert!(
            last.iter().all(|text| text == "reset" || text == "bulk"),
            "{last:?}"
        );
        assert_eq!(last.len(), resets);
        let keys: Vec<_> = expected
            .iter()
            .map(|(event, rank, _)| (*event, *rank))
            .collect();
        let mut lines: Vec<Line> = keys
            .iter()
            .zip(told)
            .map(|((event, rank), text)| (*event, *rank, text.clone()))
            .collect();
        assert_eq!(
            told.len(),
            expected.len(),
            "{told:?} instead of {expected:?}"
        );
        assert_eq!(of_answers(&lines), answers, "answers in their order");
        lines.sort();
        assert_eq!(lines, expected);
    }

    fn end(mut self) {
        for peer in 0..PEERS {
            self.compare(peer);
            self.f.shard.with(|s| {
                let queue = &s.clients[self.peers[peer].index].queue;
                assert_eq!((queue.frames(), queue.is_empty()), (0, true));
            });
        }
        for group in 0..GROUPS {
            assert_eq!(self.f.logged(group), 0, "of group {group}");
        }
        for peer in self.peers {
            self.f.shard.leave(peer);
        }
        self.f.assert_clean();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_shard_says_what_a_queue_for_each_would(steps in prop::collection::vec(step(), 1..60)) {
        let mut model = Model::new(1 << 20);
        for step in &steps {
            model.take(step);
        }
        model.end();
    }

    /// Where little may wait: nothing is kept that nobody waits for, and the counts are right to the end.
    #[test]
    fn a_shard_that_drops_keeps_its_books(steps in prop::collection::vec(step(), 1..60), pending in 1..6_usize) {
        let mut model = Model::new(pending);
        for step in &steps {
            if let Step::Take(peer) = step {
                _ = model.f.next(model.peers[*peer]);
            } else {
                model.take(step);
            }
            let peers = model.peers;
            model.f.shard.with(|s| for peer in peers {
                let queue = &s.clients[peer.index].queue;
                // As many answers may wait beside them.
                assert!(queue.frames() <= 2 * pending.max(IDS as usize) , "{queue:?}");
            });
        }
        for peer in model.peers {
            while let Some(Outgoing::Frames(_)) = model.f.next(peer) {}
        }
        for group in 0..GROUPS {
            assert_eq!(model.f.logged(group), 0);
        }
        for peer in model.peers {
            model.f.shard.leave(peer);
        }
        model.f.assert_clean();
    }
}
