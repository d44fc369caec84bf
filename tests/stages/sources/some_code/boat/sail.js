export const 帆 = "⛵";
