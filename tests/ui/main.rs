//! Compile-time tests of the macros: the files in `pass` compile, and each mistake in `fail`
//! causes the errors in its `.stderr` file. trybuild compiles each file as a crate of its own.
//!
//! `TRYBUILD=overwrite cargo test -p rest-live-ui-tests` updates the `.stderr` files.

#[test]
fn macros() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*.rs");
    cases.pass("pass/*.rs");
}
