//! The shapes of load, by their letters.

use super::{
    claim::{self, Claim},
    idle_groups, idle_sockets,
    load::Load,
    sample::Samples,
    servers::Variant,
    table::{Findings, of_samples},
};

/// Number of measurements of each server.
pub const RUNS: usize = 3;

pub struct Shape {
    pub letter: &'static str,
    pub title: &'static str,
    pub measure: fn() -> Findings,
}

pub const SHAPES: &[Shape] = &[
    Shape {
        letter: "a",
        title: "1 group of 1,000, 500 events a second: more than most can deliver",
        measure: || load(EVERY_SERVER, ONE_GROUP, claim::of_one_group),
    },
    Shape {
        letter: "b",
        title: "1 group of 1,000, 5 transactions a second of 10 rows each",
        measure: || load(EVERY_SERVER, TRANSACTIONS, claim::of_transactions),
    },
    Shape {
        letter: "c",
        title: "1,000 groups of 5, 4,000 events a second in turn",
        measure: || load(EVERY_SERVER, MANY_GROUPS, claim::of_many_groups),
    },
    Shape {
        letter: "d",
        title: "1 group of 500, 200 events a second",
        measure: || load(EVERY_SERVER, SINGLE_EVENTS, claim::of_single_events),
    },
    Shape {
        letter: "e",
        title: "connections that are subscribed and idle",
        measure: idle_sockets::measure,
    },
    Shape {
        letter: "f",
        title: "an event to one session, beside idle groups",
        measure: idle_groups::measure,
    },
    Shape {
        letter: "g",
        title: "as (a), with a `check_permission` for every subscriber",
        measure: || {
            let servers = &[Variant::RestLive, Variant::Asked];
            load(servers, ONE_GROUP, claim::of_permissions)
        },
    },
    Shape {
        letter: "h",
        title: "as (b), beside the same rows in a transaction each, which are no unit",
        measure: || {
            let servers = &[Variant::RestLive, Variant::Alone];
            load(servers, TRANSACTIONS, claim::of_units)
        },
    },
];

const EVERY_SERVER: &[Variant] = &[
    Variant::RestLive,
    Variant::Chat,
    Variant::ChatNodelay,
    Variant::Careful,
    Variant::Axum,
];

const ONE_GROUP: Load = Load {
    groups: 1,
    subscribers: 1000,
    transactions: 1000,
    per_second: 500,
    rows: 1,
};

const TRANSACTIONS: Load = Load {
    transactions: 15,
    per_second: 5,
    rows: 10,
    ..ONE_GROUP
};

const MANY_GROUPS: Load = Load {
    groups: 1000,
    subscribers: 5,
    transactions: 12_000,
    per_second: 4000,
    rows: 1,
};

const SINGLE_EVENTS: Load = Load {
    subscribers: 500,
    transactions: 600,
    per_second: 200,
    ..ONE_GROUP
};

fn load(servers: &[Variant], load: Load, claims: fn(&Samples, &Load) -> Vec<Claim>) -> Findings {
    let samples = Samples::measure(servers, &load, RUNS);
    Findings {
        claims: claims(&samples, &load),
        table: of_samples(&samples),
    }
}
