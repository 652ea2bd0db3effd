//! What it costs to tell everybody: one event and the sockets of all who are subscribed, beside four servers that do
//! the same by hand. `cargo xtask bench fanout`, and behind it the letters of shapes, if not all are wanted.
//!
//! Three processes: this one, which starts the others and reads their processor time; a server, on the first core; a
//! client with all the connections, on the second. All servers speak to the client in the same words, those of the
//! dialect v1, and send as many bytes. The shapes are open loops: an event is due at its time whether the
//! server is ready or not, and its latency counts from there, so that a server that falls behind shows it. (A timer of
//! tokio may be a millisecond late; it is for all of them.)
//!
//! Each shape is measured several times, the servers in turn: whatever else the machine does meanwhile, it does to all of
//! them. Loopback charges the server with what the client's kernel does on receipt.

#![allow(missing_docs, reason = "a program")]
#![allow(unreachable_pub, reason = "a program")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program")]

mod claim;
mod client;
mod host;
mod idle_groups;
mod idle_sockets;
mod load;
mod process;
mod sample;
mod servers;
mod shapes;
mod table;
mod wire;

use std::time::Instant;

use rest_live_benches::{machine, names};

use self::{
    servers::Variant,
    shapes::{SHAPES, Shape},
};

fn main() {
    let args = names();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["server", variant] => servers::run(Variant::named(variant).unwrap()),
        ["client", plan] => client::run(&serde_json::from_str(plan).unwrap()),
        ["groups", count] => idle_groups::run(count.parse().unwrap()),
        ref letters => measure(letters),
    }
}

fn measure(letters: &[&str]) {
    let is_known = |letter: &&&str| SHAPES.iter().any(|shape| shape.letter == **letter);
    if let Some(wrong) = letters.iter().find(|letter| !is_known(letter)) {
        println!("no such shape: {wrong:?}; there are:");
        for Shape { letter, title, .. } in SHAPES {
            println!("  {letter}  {title}");
        }
        std::process::exit(2);
    }
    let start = Instant::now();
    let command = ["cargo xtask bench fanout", &letters.join(" ")].join(" ");
    println!("{}", machine::description(command.trim_end()));
    println!("Medians of {} runs. {}", shapes::RUNS, host::pinning());
    if let Some(load) = machine::load() {
        println!("The machine's load before it: {load}.");
    }
    for shape in SHAPES {
        if letters.is_empty() || letters.contains(&shape.letter) {
            println!("\n### ({}) {}\n", shape.letter, shape.title);
            print!("{}", (shape.measure)());
        }
    }
    println!("\nAll of it took {} s.", start.elapsed().as_secs());
}
