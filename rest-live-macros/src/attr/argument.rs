//! The syntax of one argument: `name`, or `name = value`.

use proc_macro2::TokenTree;
use syn::{Lit, Meta, Path, Token, parse::ParseStream};

use crate::text::to_text;

pub(super) fn parse_argument(input: ParseStream<'_>) -> syn::Result<Meta> {
    if input.peek(Lit) {
        let literal: Lit = input.parse()?;
        let key = match &literal {
            Lit::Str(key) => to_text(key),
            _ => r#""list_id""#.to_owned(),
        };
        return Err(syn::Error::new_spanned(
            &literal,
            format!("arguments have names: write `group_key = {key}`"),
        ));
    }
    let name = input.fork().call(Path::parse_mod_style)?;
    let meta: syn::Result<Meta> = input.parse();
    meta.map_err(|error| {
        if input.is_empty() || input.peek(Token![,]) {
            // What the compiler's parser says of the end of the tokens has no place.
            syn::Error::new_spanned(
                &name,
                format!(
                    "write a value behind `{} =`, or leave it out",
                    to_text(&name)
                ),
            )
        } else {
            error
        }
    })
}

/// Goes on to the comma behind a wrong argument.
pub(super) fn skip_argument(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
