// One figure with its name and what belongs to it.

import { h, setClass, setText } from "./dom.js";

export class Figure {
  readonly element: HTMLElement;
  private readonly value = h("strong");
  private readonly more = h("small");

  constructor(title: string) {
    this.element = h("div", { class: "figure" }, h("span", {}, title), this.value, this.more);
  }

  show(value: string, more = "", tone = ""): void {
    setText(this.value, value);
    setText(this.more, more);
    setClass(this.value, tone);
  }
}
