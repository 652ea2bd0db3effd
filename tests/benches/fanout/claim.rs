//! The claims that rest-live must meet under each load, compared with the other servers.

use super::{
    load::Load,
    sample::{Sample, Samples},
    servers::Variant,
};

/// The share of the offered rate at which a server keeps up. It is below 1, because the time of the
/// last delivery counts as well.
const KEEPS_UP: f64 = 0.95;

pub struct Claim {
    what: &'static str,
    asked: String,
    measured: String,
    holds: bool,
}

impl Claim {
    pub fn at_least(what: &'static str, asked: f64, measured: f64) -> Self {
        Self {
            what,
            asked: format!("at least {asked}"),
            measured: figure(measured),
            holds: measured >= asked,
        }
    }

    pub fn at_most(what: &'static str, asked: f64, measured: f64) -> Self {
        Self {
            what,
            asked: format!("at most {asked}"),
            measured: figure(measured),
            holds: measured <= asked,
        }
    }

    /// Returns the claim as the cells of a table row.
    pub fn cells(&self) -> Vec<String> {
        let verdict = if self.holds { "holds" } else { "not reached" };
        let what = self.what.to_owned();
        vec![
            what,
            self.asked.clone(),
            self.measured.clone(),
            verdict.to_owned(),
        ]
    }
}

fn figure(measured: f64) -> String {
    match measured {
        ..1000.0 => format!("{measured:.2}"),
        _ => format!("{measured:.0}"),
    }
}

/// Claims that rest-live delivered everything. Otherwise its cost would mean little.
fn all_delivered(rest_live: &Sample) -> Claim {
    Claim::at_least("% of the deliveries", 100.0, rest_live.share * 100.0)
}

pub fn of_one_group(samples: &Samples, load: &Load) -> Vec<Claim> {
    let rest_live = samples.of(Variant::RestLive);
    let chat = samples.of(Variant::ChatNodelay);
    vec![
        all_delivered(rest_live),
        Claim::at_least("deliveries/s", load.offered() * KEEPS_UP, rest_live.rate),
        Claim::at_least(
            "CPU of chat-nodelay / rest-live",
            3.0,
            chat.cpu / rest_live.cpu,
        ),
        Claim::at_least(
            "p50 of chat-nodelay / rest-live",
            40.0,
            chat.p50 / rest_live.p50,
        ),
    ]
}

pub fn of_transactions(samples: &Samples, _: &Load) -> Vec<Claim> {
    let rest_live = samples.of(Variant::RestLive);
    let chat = samples.of(Variant::ChatNodelay);
    let careful = samples.of(Variant::Careful);
    vec![
        all_delivered(rest_live),
        Claim::at_least(
            "CPU of chat-nodelay / rest-live",
            4.0,
            chat.cpu / rest_live.cpu,
        ),
        Claim::at_least(
            "CPU of careful / rest-live",
            1.7,
            careful.cpu / rest_live.cpu,
        ),
    ]
}

pub fn of_many_groups(samples: &Samples, _: &Load) -> Vec<Claim> {
    let rest_live = samples.of(Variant::RestLive);
    vec![all_delivered(rest_live), cpu_against_the_best(samples)]
}

pub fn of_single_events(samples: &Samples, _: &Load) -> Vec<Claim> {
    let rest_live = samples.of(Variant::RestLive);
    let chat = samples.of(Variant::ChatNodelay);
    vec![
        all_delivered(rest_live),
        cpu_against_the_best(samples),
        Claim::at_least(
            "p99 of chat-nodelay / rest-live",
            5.0,
            chat.p99 / rest_live.p99,
        ),
    ]
}

fn cpu_against_the_best(samples: &Samples) -> Claim {
    let others = samples
        .0
        .iter()
        .filter(|(variant, _)| *variant != Variant::RestLive);
    let best = others
        .map(|(_, sample)| sample.cpu)
        .fold(f64::INFINITY, f64::min);
    let measured = samples.of(Variant::RestLive).cpu / best;
    Claim::at_most("CPU of rest-live / the best of the others", 1.25, measured)
}

pub fn of_units(samples: &Samples, _: &Load) -> Vec<Claim> {
    let (units, alone) = (samples.of(Variant::RestLive), samples.of(Variant::Alone));
    vec![
        all_delivered(units),
        Claim::at_most("CPU with units / without", 1.15, units.cpu / alone.cpu),
    ]
}

pub fn of_permissions(samples: &Samples, _: &Load) -> Vec<Claim> {
    let (without, with) = (samples.of(Variant::RestLive), samples.of(Variant::Asked));
    vec![
        all_delivered(with),
        Claim::at_most("CPU with / without", 1.3, with.cpu / without.cpu),
    ]
}
