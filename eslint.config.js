// Rules of the drawing pad's JavaScript: those of ESLint that find mistakes, none of style.
import js from "@eslint/js";
import globals from "globals";

const STATIC = "src/colorzoo/studio/static";

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
  { files: [`${STATIC}/js/*.js`], languageOptions: { globals: globals.browser } },
  { files: [`${STATIC}/worker/*.js`], languageOptions: { globals: { ...globals.worker, ...globals.serviceworker } } },
  { files: [`${STATIC}/worker/serviceworker.js`], languageOptions: { globals: { PAGE: "readonly" } } }, // written when the page is made
];
