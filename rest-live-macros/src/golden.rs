//! What the macros write, for people to read: `tests/expand/NAME.rs` becomes `NAME.expanded.rs`.
//!
//! Only the first attribute of the item is expanded, as the compiler does it. That the code compiles
//! and does what it should is tested elsewhere (`tests/ui`, `tests/it`).

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
fn hooks_and_conversion_of_the_user() {
    check("hooks_and_conversion_of_the_user");
}

#[test]
fn live_around_own_hooks() {
    check("live_around_own_hooks");
}

#[test]
fn aliased() {
    check("aliased");
}

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
        "{} differs from what the macro writes now:\n\n{expanded}\n\
         If that is right, `UPDATE_EXPECT=1 cargo test -p rest-live-macros` writes it, for `git diff` to show.",
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
