"""What clients see: types, inputs, enums, payloads, events. Names and shapes follow GitHub's and Shopify's manners."""
