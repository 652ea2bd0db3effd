//! Gathers the stacked attributes of one item, so that they expand once.
//!
//! The first `#[subscribable]` sees the whole item and takes its siblings off. A sibling under
//! another name (`use rest_live::subscribable as live_row`, or inside a `cfg_attr`) cannot be told
//! from a foreign attribute. So where a foreign attribute is left, the item goes back to the
//! compiler with all that was gathered in `#[__collected(...)]` as its last attribute: a sibling in
//! between adds its own to it, and when only it is left, everything is there.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Attribute, DeriveInput, Meta, Path, Token,
    parse::{ParseStream, Parser},
    punctuated::Punctuated,
    spanned::Spanned,
};

use crate::{ast::Serializer, attr::Attr, expand};

const COLLECTED: &str = "__collected";

/// Attributes that are no macros: the compiler's own, and those of derives that serializers have.
/// Not `cfg`: behind it, [`collected`] comes only to an item that is there.
const INERT: [&str; 14] = [
    "allow",
    "automatically_derived",
    "deny",
    "deprecated",
    "derive",
    "doc",
    "expect",
    "forbid",
    "must_use",
    "non_exhaustive",
    "repr",
    "sea_orm",
    "serde",
    "warn",
];

/// Expands one `#[subscribable]` and its siblings.
pub(crate) fn subscribable(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut item = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(item) => item,
        Err(_) => return misplaced(item),
    };
    let mut stack = take(&mut item.attrs, COLLECTED)
        .first()
        .map(|collected| unpack(arguments(collected).stream()))
        .unwrap_or_default();
    stack.push(in_parentheses(args, Span::call_site()));
    stack.extend(take(&mut item.attrs, "subscribable").iter().map(arguments));

    if item.attrs.iter().all(is_inert) {
        return expanded(stack, &item);
    }
    let krate = crate_of(&stack);
    let collected = quote!(#[#krate::__private::__collected(#(#stack),*)]);
    match Attribute::parse_outer.parse2(collected) {
        Ok(collected) => item.attrs.extend(collected),
        Err(error) => return error.into_compile_error(),
    }
    item.into_token_stream()
}

/// Expands what was gathered.
pub(crate) fn collected(args: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2::<DeriveInput>(item) {
        Ok(item) => expanded(unpack(args), &item),
        Err(error) => error.into_compile_error(),
    }
}

fn expanded(stack: Vec<Group>, item: &DeriveInput) -> TokenStream {
    let mut errors = Vec::new();
    let attrs = stack
        .into_iter()
        .map(|args| Attr::parse(args, &mut errors))
        .collect();
    let code = match Serializer::new(attrs, item, &mut errors) {
        Some(serializer) if errors.is_empty() => expand::serializer(&serializer),
        wrong => {
            let errors = errors.into_iter().map(syn::Error::into_compile_error);
            let stand_in = wrong.map(|serializer| expand::stand_in(&serializer, &item.generics));
            quote!(#(#errors)* #stand_in)
        }
    };
    quote!(#item #code)
}

/// The item is none that has serializers. Its siblings would only say so again.
fn misplaced(item: TokenStream) -> TokenStream {
    let error = syn::Error::new(
        Span::call_site(),
        "#[subscribable] goes on the serializer: a struct with named fields",
    )
    .into_compile_error();
    let alone = |input: ParseStream<'_>| {
        let mut attrs = input.call(Attribute::parse_outer)?;
        take(&mut attrs, "subscribable");
        let rest: TokenStream = input.parse()?;
        Ok(quote!(#(#attrs)* #rest))
    };
    let item = alone.parse2(item.clone()).unwrap_or(item);
    quote!(#error #item)
}

/// Takes off the attributes whose path ends in a name.
fn take(attrs: &mut Vec<Attribute>, name: &str) -> Vec<Attribute> {
    let (taken, left) = std::mem::take(attrs)
        .into_iter()
        .partition(|a| a.path().segments.last().is_some_and(|s| s.ident == name));
    *attrs = left;
    taken
}

fn is_inert(attr: &Attribute) -> bool {
    let segments = &attr.path().segments;
    // `clippy::…`, `rustfmt::…` are the tools'; what else has several segments may be anything.
    match segments.first() {
        Some(first) if segments.len() == 1 => INERT.iter().any(|name| first.ident == name),
        Some(first) => ["clippy", "diagnostic", "rustfmt"]
            .iter()
            .any(|tool| first.ident == tool),
        None => false,
    }
}

fn arguments(attr: &Attribute) -> Group {
    let args = match &attr.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        // `#[subscribable = ..]` is no call; its parsing says so at this place.
        Meta::NameValue(wrong) => wrong.value.to_token_stream(),
    };
    in_parentheses(args, attr.path().span())
}

fn in_parentheses(args: TokenStream, span: Span) -> Group {
    let mut group = Group::new(Delimiter::Parenthesis, args);
    group.set_span(span);
    group
}

/// `(a), (b)` to `(a)` and `(b)`.
fn unpack(args: TokenStream) -> Vec<Group> {
    Punctuated::<Group, Token![,]>::parse_terminated
        .parse2(args)
        .map(|stack| stack.into_iter().collect())
        .unwrap_or_default()
}

/// Returns the path of the `rest-live` crate: `::rest_live`, or what `crate = path` says.
fn crate_of(stack: &[Group]) -> Path {
    let mut ignored = Vec::new();
    stack
        .iter()
        .find_map(|args| Attr::parse(args.clone(), &mut ignored).krate)
        .unwrap_or_else(default_crate)
}

/// `::rest_live`.
pub(crate) fn default_crate() -> Path {
    syn::parse_quote!(::rest_live)
}

/// Returns tokens as they would be written.
pub(crate) fn text(tokens: &impl ToTokens) -> String {
    tokens
        .to_token_stream()
        .to_string()
        .replace(" :: ", "::")
        .replace(":: ", "::")
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn only_what_is_surely_no_macro_is_inert() {
        let inert: [Attribute; 4] = [
            parse_quote!(#[derive(Clone)]),
            parse_quote!(#[doc = "A task."]),
            parse_quote!(#[clippy::msrv = "1.94"]),
            parse_quote!(#[rustfmt::skip]),
        ];
        let others: [Attribute; 5] = [
            parse_quote!(#[live_row]),
            parse_quote!(#[cfg(test)]),
            parse_quote!(#[cfg_attr(test, subscribable)]),
            parse_quote!(#[derive::derive]),
            parse_quote!(#[pin_project]),
        ];
        assert!(inert.iter().all(is_inert));
        assert!(!others.iter().any(is_inert));
    }

    #[test]
    fn a_stack_is_handed_on_in_order_and_without_loss() {
        let mut attrs: Vec<Attribute> = vec![
            parse_quote!(#[rest_live::subscribable]),
            parse_quote!(#[derive(Clone)]),
            parse_quote!(#[subscribable(group_key = "a", public)]),
        ];
        let stack: Vec<Group> = take(&mut attrs, "subscribable")
            .iter()
            .map(arguments)
            .collect();
        assert_eq!(attrs.len(), 1);

        let unpacked = unpack(quote!(#(#stack),*));
        let unpacked: Vec<_> = unpacked.iter().map(ToString::to_string).collect();
        assert_eq!(unpacked, ["()", r#"(group_key = "a" , public)"#]);
    }

    #[test]
    fn the_crate_may_be_named_on_any_attribute() {
        let stack = [
            parse_quote!((public)),
            parse_quote!((crate = vendored::rest_live)),
        ];
        assert_eq!(text(&crate_of(&stack)), "vendored::rest_live");
        assert_eq!(text(&crate_of(&stack[..1])), "::rest_live");
    }
}
