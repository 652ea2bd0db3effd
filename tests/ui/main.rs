//! What the macros accept, and what they say of mistakes: each file is compiled as a crate of its own.
//!
//! `TRYBUILD=overwrite cargo test -p rest-live-ui-tests` writes the `.stderr` files anew.

#[test]
fn macros() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*.rs");
    cases.pass("pass/*.rs");
}
