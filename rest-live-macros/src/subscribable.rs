//! `#[subscribable]`: one serializer with all its attributes, to code.

use proc_macro2::{Group, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Attribute, DeriveInput,
    parse::{ParseStream, Parser},
};

use crate::{ast::Serializer, attr::Attr, expand, stack};

/// Expands one `#[subscribable]` and its siblings.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut item = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(item) => item,
        Err(_) => return reject(item),
    };
    let stack = stack::gather(args, &mut item.attrs);

    if item.attrs.iter().all(stack::is_inert) {
        return expand_stack(stack, &item);
    }
    let krate = stack::crate_path(&stack);
    let collected = quote!(#[#krate::__private::__collected(#(#stack),*)]);
    match Attribute::parse_outer.parse2(collected) {
        Ok(collected) => item.attrs.extend(collected),
        Err(error) => return error.into_compile_error(),
    }
    item.into_token_stream()
}

/// Expands what was gathered.
pub(crate) fn expand_collected(args: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2::<DeriveInput>(item) {
        Ok(item) => expand_stack(stack::unpack(args), &item),
        Err(error) => error.into_compile_error(),
    }
}

fn expand_stack(stack: Vec<Group>, item: &DeriveInput) -> TokenStream {
    let mut errors = Vec::new();
    let attrs = stack
        .into_iter()
        .map(|args| Attr::parse(args, &mut errors))
        .collect();
    let code = match Serializer::new(attrs, item, &mut errors) {
        Some(serializer) if errors.is_empty() => expand::expand_serializer(&serializer),
        serializer => {
            let errors = errors.into_iter().map(syn::Error::into_compile_error);
            let stand_in =
                serializer.map(|serializer| expand::expand_stand_in(&serializer, &item.generics));
            quote!(#(#errors)* #stand_in)
        }
    };
    quote!(#item #code)
}

/// The item is none that has serializers. Its siblings would only say so again.
fn reject(item: TokenStream) -> TokenStream {
    let error = syn::Error::new(
        Span::call_site(),
        "#[subscribable] goes on the serializer: a struct with named fields",
    )
    .into_compile_error();
    let alone = |input: ParseStream<'_>| {
        let mut attrs = input.call(Attribute::parse_outer)?;
        stack::take(&mut attrs, stack::SUBSCRIBABLE);
        let rest: TokenStream = input.parse()?;
        Ok(quote!(#(#attrs)* #rest))
    };
    let item = alone.parse2(item.clone()).unwrap_or(item);
    quote!(#error #item)
}
