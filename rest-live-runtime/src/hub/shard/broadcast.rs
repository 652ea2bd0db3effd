//! Queues what the dispatcher publishes.

use std::sync::Arc;

use super::State;
use crate::{
    data::cursor::EventPosition,
    hub::{
        clients::send_queue::PendingLimit,
        groups::{
            audience::{Delivery, HubEvent, Publication, Recipient},
            broadcast_frame::{BroadcastFrame, FrameByDialect},
            subscriber::{Backlog, ListedFrame},
        },
        ids::SubscriberKey,
    },
};

impl State {
    /// Queues an event for the subscribers whom it concerns.
    pub(crate) fn publish(&mut self, event: HubEvent, at: &EventPosition) {
        match event {
            HubEvent::Row(publications) => {
                self.clients.event += 1;
                for publication in publications {
                    self.publish_row(publication, at.position);
                }
            }
            HubEvent::Reset(model) => {
                self.clients.event += 1;
                self.reset_model(&model, at);
            }
            HubEvent::OpenUnit(unit) => self.open_unit(unit),
            HubEvent::EndUnit => self.end_unit(),
        }
    }

    fn publish_row(&mut self, publication: Publication, position: u64) {
        let Publication {
            group,
            frames,
            delivery,
        } = publication;
        let Some(group) = self.groups.find(&group) else {
            return;
        };
        match delivery {
            Delivery::All(by_dialect) => self.publish_to_all(group, frames, by_dialect, position),
            Delivery::Each(recipients) => {
                self.publish_to_each(group, &frames, recipients, position);
            }
        }
    }

    fn publish_to_all(
        &mut self,
        index: usize,
        frames: Arc<[BroadcastFrame]>,
        by_dialect: FrameByDialect,
        position: u64,
    ) {
        let lengths = by_dialect.map(|i| Some(frames[usize::from(i?)].frame.bytes().len()));
        let longest = lengths.into_iter().flatten().max().unwrap_or(0);
        self.clients.take_in(1, longest);
        let event = self.clients.event;
        let limits = &self.context.limits;
        let group = &mut self.groups[index];
        let end = group.log.end();
        let mut pending = 0;
        let (mut woken, mut lagging) = (Vec::new(), Vec::new());
        for (number, subscriber) in &mut group.subscribers {
            let client = &mut self.clients[subscriber.client];
            let length = lengths[subscriber.dialect as usize]
                .filter(|_| subscriber.receives(position, event))
                .filter(|_| !client.queue.ignores_changes());
            let Some(length) = length else {
                group.log.detach(subscriber);
                continue;
            };
            let is_slow = client.is_slow();
            if is_slow
                && let Err(limit) = client.queue.count(limits, subscriber.queued_size(length))
            {
                group.log.drop_queued(subscriber);
                lagging.push((subscriber.client, limit));
                continue;
            }
            // Otherwise the client is waiting for the writer already, which takes everything.
            if is_slow || matches!(subscriber.backlog, Backlog::Empty) {
                woken.push(subscriber.client);
            }
            match &mut subscriber.backlog {
                Backlog::Empty => {
                    subscriber.backlog = Backlog::From(end);
                    client.backlogs.push(SubscriberKey::new(index, number));
                    pending += 1;
                }
                Backlog::From(_) => pending += 1,
                Backlog::Listed(listed) => {
                    let index = by_dialect[subscriber.dialect as usize];
                    listed.extend(index.map(|index| ListedFrame {
                        event,
                        frames: Arc::clone(&frames),
                        index,
                    }));
                }
            }
        }
        if pending > 0 {
            group.log.push(event, frames, by_dialect, pending);
        }
        self.published(&woken, &lagging);
    }

    fn publish_to_each(
        &mut self,
        index: usize,
        frames: &Arc<[BroadcastFrame]>,
        recipients: Vec<Recipient>,
        position: u64,
    ) {
        let lengths = frames.iter().map(|frame| frame.frame.bytes().len());
        self.clients.take_in(1, lengths.max().unwrap_or(0));
        let event = self.clients.event;
        let limits = &self.context.limits;
        let group = &mut self.groups[index];
        let (mut woken, mut lagging) = (Vec::new(), Vec::new());
        for recipient in recipients {
            let number = recipient.subscriber as usize;
            // The subscription may have ended, or been granted other serializers, since it was
            // asked about.
            let subscriber = group.subscribers.get_mut(number);
            let Some(subscriber) = subscriber.filter(|s| s.grant == recipient.grant) else {
                continue;
            };
            let client = &mut self.clients[subscriber.client];
            if !subscriber.receives(position, event) || client.queue.ignores_changes() {
                continue;
            }
            let length = frames[usize::from(recipient.frame)].frame.bytes().len();
            let is_slow = client.is_slow();
            if is_slow
                && let Err(limit) = client.queue.count(limits, subscriber.queued_size(length))
            {
                lagging.push((subscriber.client, limit));
                continue;
            }
            // Otherwise the client is waiting for the writer already, which takes everything.
            if is_slow || matches!(subscriber.backlog, Backlog::Empty) {
                woken.push(subscriber.client);
            }
            let listed = ListedFrame {
                event,
                frames: Arc::clone(frames),
                index: recipient.frame,
            };
            if let Backlog::Listed(backlog) = &mut subscriber.backlog {
                backlog.push(listed);
            } else {
                subscriber.backlog = Backlog::Listed(vec![listed]);
                client.backlogs.push(SubscriberKey::new(index, number));
            }
        }
        self.published(&woken, &lagging);
    }

    fn published(&mut self, woken: &[usize], lagging: &[(usize, PendingLimit)]) {
        for client in woken {
            self.clients.wake(*client);
            self.clients.gauge(*client);
        }
        for (client, limit) in lagging {
            self.start_lag(*client, *limit);
        }
    }
}
