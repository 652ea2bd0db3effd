//! `impl From<&Model>` for a serializer.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use crate::ast::{FieldValue, Serializer, SerializerField};

/// Generates the conversion. Each field has the span of its column, for errors about its type.
pub(super) fn expand_conversion(
    Serializer {
        ident,
        entity,
        krate,
        fields,
        ..
    }: &Serializer,
) -> TokenStream {
    let fields = fields.iter().map(|SerializerField { ident, cfg, value }| {
        let value = match value {
            FieldValue::Default => quote!(::core::default::Default::default()),
            FieldValue::Column(column) => {
                quote_spanned!(column.span()=> ::core::convert::Into::into(::core::clone::Clone::clone(&row.#column)))
            }
        };
        quote!(#(#cfg)* #ident: #value)
    });
    quote! {
        #[automatically_derived]
        impl ::core::convert::From<&<#entity as #krate::__private::sea_orm::EntityTrait>::Model> for #ident {
            fn from(row: &<#entity as #krate::__private::sea_orm::EntityTrait>::Model) -> Self {
                Self { #(#fields),* }
            }
        }
    }
}
