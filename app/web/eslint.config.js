// What ESLint holds: the strict rules of typescript-eslint, the rules of hooks, accessible markup.

import js from "@eslint/js";
import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

const MAX_FILE_LINES = 400;

export default tseslint.config(
  { ignores: ["dist", "node_modules", "src/api/schema.d.ts"] },
  js.configs.recommended,
  {
    files: ["src/**/*.{ts,tsx}", "vite.config.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
    },
  },
  {
    files: ["src/**/*.tsx"],
    extends: [jsxA11y.flatConfigs.strict],
    plugins: { "react-hooks": reactHooks },
    rules: {
      ...reactHooks.configs.recommended.rules,
      // of the virtual lists, for a compiler that is not used here
      "react-hooks/incompatible-library": "off",
      // untrusted text stays text: nothing in this application may become markup
      "no-restricted-syntax": [
        "error",
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "text stays text" },
      ],
    },
  },
  {
    files: ["**/*.{js,mjs,ts,tsx}"],
    rules: {
      "max-lines": ["error", MAX_FILE_LINES],
      "max-params": ["error", 6],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "text stays text" },
        { property: "outerHTML", message: "text stays text" },
        { property: "insertAdjacentHTML", message: "text stays text" },
      ],
    },
  },
  {
    files: ["scripts/*.mjs", "public/*.js"],
    languageOptions: {
      globals: { console: "readonly", process: "readonly", URL: "readonly", document: "readonly", localStorage: "readonly" },
    },
  },
);
