//! Feeds any text to the server as a client's message, in every state of a connection.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| rest_live_runtime::__private::assert_invariants(text));
