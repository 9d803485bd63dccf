// Rules of the drawing pad's JavaScript: those of ESLint that find mistakes, none of style.
import js from "@eslint/js";
import globals from "globals";

const STATIC = "src/colorzoo/apps/studio/static";

// What holds the state of a pad, apart from `pad` itself; only state.js changes it, by `change`.
const STATE = "/^(ui|session|settings|photo|doc|drag|opening|exporting)$/";
const OF_STATE = [`[object.name=${STATE}]`, "[object.name='pad']", "[object.object.name='pad']", `[object.object.type='ThisExpression'][object.property.name=${STATE}]`].join(", ");
const ASSIGNED = ["AssignmentExpression > MemberExpression.left", "UpdateExpression > MemberExpression.argument", "UnaryExpression[operator='delete'] > MemberExpression.argument"].join(", ");
const CHANGERS = "/^(push|pop|shift|unshift|splice|sort|reverse|fill|set|add|delete|clear)$/"; // methods of arrays, maps and sets
const ONE_WRITER = [
  `:matches(${ASSIGNED}):matches(${OF_STATE})`,
  `CallExpression[callee.object.name='Object'][callee.property.name='assign']:matches([arguments.0.name=${STATE}], [arguments.0.name='pad'], [arguments.0.object.name='pad'])`,
  `CallExpression[callee.property.name=${CHANGERS}] > MemberExpression.callee > MemberExpression.object:matches([object.name=${STATE}], [object.object.name='pad'])`,
].map((selector) => ({ selector, message: "Change the state of a pad by `change` of state.js, and its document by methods of `Pad`." }));

export default [
  js.configs.recommended,
  {
    files: [`${STATIC}/**/*.js`],
    languageOptions: { ecmaVersion: 2022, sourceType: "module" },
    rules: {
      eqeqeq: "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  { files: [`${STATIC}/**/*.js`], languageOptions: { globals: globals.browser } },
  { files: [`${STATIC}/js/*.js`], ignores: [`${STATIC}/js/state.js`], rules: { "no-restricted-syntax": ["error", ...ONE_WRITER] } },
];
