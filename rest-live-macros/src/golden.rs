//! Golden expansions: `tests/expand/NAME.rs` expands to `tests/expand/NAME.expanded.rs`.
//!
//! Each test expands the first attribute of the item, as the compiler does. Other tests check that
//! the code compiles (`tests/ui`) and works (`tests/it`).

use std::{env, fs, path::Path};

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, File, Item, Meta};

use crate::{live, subscribable};

#[test]
fn stacked() {
    check("stacked");
}

#[test]
fn groups() {
    check("groups");
}

#[test]
fn user_hooks_and_conversion() {
    check("user_hooks_and_conversion");
}

#[test]
fn live_with_user_hooks() {
    check("live_with_user_hooks");
}

#[test]
fn aliased() {
    check("aliased");
}

/// Compares an expansion with its golden file.
fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let input = fs::read_to_string(folder.join(format!("{name}.rs"))).expect("an input");
    let expanded: File = syn::parse2(expand(&input)).expect("items");
    let expanded = prettyplease::unparse(&expanded);

    let golden = folder.join(format!("{name}.expanded.rs"));
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&golden, expanded).expect("a writable folder");
        return;
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        expanded == expected,
        "{} differs from the expansion:\n\n{expanded}\n\
         If the expansion is correct, run `UPDATE_EXPECT=1 cargo test -p rest-live-macros` and review the diff.",
        golden.display()
    );
}

/// Expands the first attribute of the only item.
fn expand(input: &str) -> TokenStream {
    let mut file: File = syn::parse_str(input).expect("an item");
    let attr = match file.items.first_mut().expect("an item") {
        Item::Struct(item) => item.attrs.remove(0),
        Item::Impl(item) => item.attrs.remove(0),
        _ => unreachable!("the macros go on structs and impls"),
    };
    let item = file.into_token_stream();
    if is_live(&attr) {
        live::expand(arguments(attr), item)
    } else {
        subscribable::expand(arguments(attr), item)
    }
}

fn is_live(attr: &Attribute) -> bool {
    attr.path().is_ident("live")
}

fn arguments(attr: Attribute) -> TokenStream {
    match attr.meta {
        Meta::List(list) => list.tokens,
        _ => TokenStream::new(),
    }
}
