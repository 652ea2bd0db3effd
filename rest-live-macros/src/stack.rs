//! Gathers the stacked attributes of one item, so that they expand once.
//!
//! The first `#[subscribable]` sees the whole item and takes its siblings off. A sibling under
//! another name (`use rest_live::subscribable as live_row`, or inside a `cfg_attr`) cannot be told
//! from a foreign attribute. So where a foreign attribute is left, the item goes back to the
//! compiler with all that was gathered in `#[__collected(...)]` as its last attribute: a sibling in
//! between adds its own to it, and when only it is left, everything is there.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Attribute, DeriveInput, Meta, Path, Token, parse::Parser, punctuated::Punctuated,
    spanned::Spanned, token::Paren,
};

use crate::{ast::Serializer, attr::Attr, expand};

const COLLECTED: &str = "__collected";

/// Attributes that are no macros: the compiler's own, and those of derives that serializers have.
const INERT: [&str; 15] = [
    "allow",
    "automatically_derived",
    "cfg",
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
pub(crate) fn subscribable(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut item = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(item) => item,
        Err(_) => {
            let error = syn::Error::new_spanned(
                item,
                "#[subscribable] goes on the serializer: a struct with named fields",
            )
            .into_compile_error();
            return quote!(#error #item);
        }
    };
    let mut stack = take(&mut item.attrs, COLLECTED)
        .first()
        .map(unpack)
        .unwrap_or_default();
    stack.push(args);
    stack.extend(take(&mut item.attrs, "subscribable").iter().map(arguments));

    if item.attrs.iter().all(is_inert) {
        return expanded(stack, &item);
    }
    let krate = crate_of(&stack);
    let collected = quote!(#[#krate::__private::__collected(#((#stack)),*)]);
    match Attribute::parse_outer.parse2(collected) {
        Ok(collected) => item.attrs.extend(collected),
        Err(error) => return error.into_compile_error(),
    }
    item.into_token_stream()
}

/// Expands what was gathered.
pub(crate) fn collected(args: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2::<DeriveInput>(item) {
        Ok(item) => expanded(unpack_tokens(args), &item),
        Err(error) => error.into_compile_error(),
    }
}

fn expanded(stack: Vec<TokenStream>, item: &DeriveInput) -> TokenStream {
    let mut errors = Vec::new();
    let attrs = stack
        .into_iter()
        .map(|args| {
            let span = if args.is_empty() {
                proc_macro2::Span::call_site()
            } else {
                args.span()
            };
            Attr::parse(args, span, &mut errors)
        })
        .collect();
    let code = match Serializer::new(attrs, item, &mut errors) {
        Some(serializer) if errors.is_empty() => expand::serializer(&serializer),
        _ => errors
            .into_iter()
            .map(syn::Error::into_compile_error)
            .collect(),
    };
    quote!(#item #code)
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

fn arguments(attr: &Attribute) -> TokenStream {
    match &attr.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        // `#[subscribable = ..]` is no call; its parsing says so at this place.
        Meta::NameValue(wrong) => wrong.value.to_token_stream(),
    }
}

fn unpack(attr: &Attribute) -> Vec<TokenStream> {
    unpack_tokens(arguments(attr))
}

/// `(a), (b)` to `a` and `b`.
fn unpack_tokens(args: TokenStream) -> Vec<TokenStream> {
    fn parenthesised(input: syn::parse::ParseStream<'_>) -> syn::Result<TokenStream> {
        let content;
        let Paren { .. } = syn::parenthesized!(content in input);
        content.parse()
    }
    let parser = Punctuated::<TokenStream, Token![,]>::parse_terminated_with;
    (|input: syn::parse::ParseStream<'_>| parser(input, parenthesised))
        .parse2(args)
        .map(|stack| stack.into_iter().collect())
        .unwrap_or_default()
}

/// Returns the path of the `rest-live` crate: `::rest_live`, or what `crate = path` says.
fn crate_of(stack: &[TokenStream]) -> Path {
    let mut ignored = Vec::new();
    stack
        .iter()
        .find_map(|args| {
            Attr::parse(args.clone(), proc_macro2::Span::call_site(), &mut ignored).krate
        })
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
